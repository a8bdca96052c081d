/** An MCP server in a few lines of shell: starts in milliseconds, for tests that start thousands. */
const answer =
  '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"shell","version":"1"},"content":[{"type":"text","text":"done"}]}}\\n';

export const shellServer = {
  command: '/bin/sh',
  args: [
    '-c',
    `while read -r line; do case "$line" in *'"id":'*) id=\${line##*'"id":'}; id=\${id%%[,\\}]*}; printf '${answer}' "$id" ;; esac; done`,
  ],
} as const;
