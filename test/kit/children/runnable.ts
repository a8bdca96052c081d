/** A small MCP server over stdio: says what it was started with (`started`), who it is (`pid`), and writes to stderr (`say`). */
import { createInterface } from 'node:readline';

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly protocolVersion?: string;
    readonly arguments?: Readonly<Record<string, unknown>>;
  };
}

const answer = (id: Message['id'], result: object) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
const text = (value: unknown) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

const tools: Readonly<Record<string, (args: Readonly<Record<string, unknown>>) => unknown>> = {
  started: ({ name }) => ({ args: process.argv.slice(2), value: process.env[String(name)] ?? null }),
  pid: () => process.pid,
  say({ line }) {
    process.stderr.write(`${String(line)}\n`);
    return 'said';
  },
  crash: () => process.exit(7),
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params }: Message = JSON.parse(line);
  if (id === undefined) return;
  if (method === 'initialize') {
    process.stderr.write('it begins\n');
    const { protocolVersion } = params ?? {};
    answer(id, { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'runnable', version: '1' } });
  } else if (method === 'tools/list')
    answer(id, { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) });
  else if (method === 'tools/call') answer(id, text(tools[params?.name ?? '']?.(params?.arguments ?? {})));
  else process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } })}\n`);
});
