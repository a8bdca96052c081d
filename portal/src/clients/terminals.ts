// biome-ignore-all lint/suspicious/noTemplateCurlyInString: clients fill these in themselves
import type { Recipe } from './recipe.ts';

const verifiedOn = '2026-11';

export const terminalRecipes: readonly Recipe[] = [
  {
    ...{ id: 'claude-code', name: 'Claude Code', group: 'Terminals', auth: 'both', verifiedOn },
    oauth: {
      command: 'claude mcp add --transport http --scope user {name} {url}\nclaude mcp login {name}',
      file: {
        path: '.mcp.json',
        language: 'json',
        text: '{\n  "mcpServers": {\n    "{name}": { "type": "http", "url": "{url}" }\n  }\n}',
      },
    },
    key: {
      command: 'claude mcp add --transport http --scope user {name} {url} --header "Authorization: Bearer ${variable}"',
    },
    caveats: ['Without --transport http the address is taken as a command.'],
  },
  {
    ...{ id: 'codex', name: 'Codex', group: 'Terminals', auth: 'both', verifiedOn },
    oauth: { command: 'codex mcp add {name} --url {url}', steps: ['The sign-in opens by itself.'] },
    key: {
      command: 'codex mcp add {name} --url {url} --bearer-token-env-var {variable}',
      file: {
        path: '~/.codex/config.toml',
        language: 'toml',
        text: '[mcp_servers.{name}]\nurl = "{url}"\nbearer_token_env_var = "{variable}"',
      },
    },
  },
  {
    ...{ id: 'gemini', name: 'Gemini CLI', group: 'Terminals', auth: 'both', verifiedOn },
    oauth: {
      command: 'gemini mcp add -s user --transport http {name} {url}',
      steps: ['Then in Gemini: /mcp auth {name}'],
    },
    key: { command: 'gemini mcp add -s user --transport http {name} {url} -H "Authorization: Bearer ${variable}"' },
    caveats: ['Ignored in folders that are not trusted.'],
  },
  {
    ...{ id: 'opencode', name: 'OpenCode', group: 'Terminals', auth: 'both', verifiedOn },
    oauth: { command: 'opencode mcp add {name} --url {url}\nopencode mcp auth {name}' },
    key: {
      file: {
        path: 'opencode.json',
        language: 'json',
        text: '{\n  "$schema": "https://opencode.ai/config.json",\n  "mcp": {\n    "{name}": {\n      "type": "remote",\n      "url": "{url}",\n      "enabled": true,\n      "oauth": false,\n      "headers": { "Authorization": "Bearer {env:{variable}}" }\n    }\n  }\n}',
      },
    },
  },
  {
    ...{ id: 'copilot-cli', name: 'Copilot CLI', group: 'Terminals', auth: 'oauth', verifiedOn },
    oauth: {
      file: {
        path: '~/.copilot/mcp-config.json',
        language: 'json',
        text: '{\n  "mcpServers": {\n    "{name}": { "type": "http", "url": "{url}", "tools": ["*"] }\n  }\n}',
      },
    },
  },
  {
    ...{ id: 'goose', name: 'Goose', group: 'Terminals', auth: 'oauth', verifiedOn },
    oauth: {
      file: {
        path: '~/.config/goose/config.yaml',
        language: 'yaml',
        text: 'extensions:\n  {name}:\n    name: {name}\n    type: streamable_http\n    uri: {url}\n    enabled: true\n    timeout: 300',
      },
    },
  },
  {
    ...{ id: 'add-mcp', name: 'Any agent', group: 'Terminals', auth: 'both', verifiedOn },
    oauth: {
      command: 'npx add-mcp {url} -n {name} -g',
      steps: ['Writes the files of every agent that it finds on your machine.'],
    },
    key: { command: "npx add-mcp {url} -n {name} -g --header 'Authorization: Bearer ${{variable}}'" },
  },
];
