/** Every client that we know how to set up. What is here was run, or stands in the vendor's own documents. */
import type { Recipe } from './recipe.ts';

const json = (value: unknown): string => JSON.stringify(value, null, 2);
/** What a shell or a client fills in, not we. */
const dollar = '$';
const bearer = { Authorization: `Bearer ${dollar}{{env}}` };
const remote = { type: 'http', url: '{url}' };

const codeAgents: readonly Recipe[] = [
  {
    ...{ id: 'claude-code', title: 'Claude Code', checkedAt: '2026-11' },
    signIn: [
      { text: 'Add it.', command: 'claude mcp add --transport http --scope user {name} {url}' },
      { text: 'Sign in.', command: 'claude mcp login {name}' },
      {
        text: 'Or for everybody who works on a project:',
        file: { path: '.mcp.json', text: json({ mcpServers: { '{name}': remote } }) },
      },
    ],
    key: [
      {
        text: 'Add it with your key in an environment variable.',
        command: `claude mcp add --transport http --scope user {name} {url} --header "Authorization: Bearer ${dollar}{env}"`,
      },
      {
        text: 'Or for everybody who works on a project:',
        file: { path: '.mcp.json', text: json({ mcpServers: { '{name}': { ...remote, headers: bearer } } }) },
      },
    ],
  },
  {
    ...{ id: 'codex', title: 'Codex', checkedAt: '2026-11' },
    signIn: [
      { text: 'Add it: the browser opens to sign in.', command: 'codex mcp add {name} --url {url}' },
      { text: 'Where there is no browser:', command: 'codex mcp login {name} --no-browser' },
    ],
    key: [
      {
        text: 'Add it; the key is read from the environment variable.',
        command: 'codex mcp add {name} --url {url} --bearer-token-env-var {env}',
      },
      {
        text: 'The same as a file:',
        file: {
          path: '~/.codex/config.toml',
          text: '[mcp_servers.{name}]\nurl = "{url}"\nbearer_token_env_var = "{env}"',
        },
      },
    ],
  },
  {
    ...{ id: 'cursor', title: 'Cursor', checkedAt: '2026-11' },
    signIn: [
      {
        text: 'Press the button; Cursor asks you to sign in.',
        link: {
          label: 'Add to Cursor',
          prefix: 'cursor://anysphere.cursor-deeplink/mcp/install?name={name}&config=',
          payload: JSON.stringify({ url: '{url}' }),
          encoding: 'base64',
        },
      },
      {
        text: 'Or write it:',
        file: { path: '~/.cursor/mcp.json', text: json({ mcpServers: { '{name}': { url: '{url}' } } }) },
      },
    ],
    key: [
      {
        text: 'Write it; the key is read from the environment variable.',
        file: {
          path: '~/.cursor/mcp.json',
          text: json({
            mcpServers: { '{name}': { url: '{url}', headers: { Authorization: `Bearer ${dollar}{env:{env}}` } } },
          }),
        },
      },
    ],
    caveat: 'Cursor drops a configured key where an address also offers signing in: use the address for keys only.',
  },
  {
    ...{ id: 'vs-code', title: 'VS Code', checkedAt: '2026-11', maxTools: 128 },
    signIn: [
      {
        text: 'Press the button; VS Code asks you to sign in.',
        link: {
          label: 'Add to VS Code',
          prefix: 'vscode:mcp/install?',
          payload: JSON.stringify({ name: '{name}', ...remote }),
          encoding: 'text',
        },
      },
      { text: 'Or on the command line:', command: `code --add-mcp '${JSON.stringify({ name: '{name}', ...remote })}'` },
      {
        text: 'Or for everybody who works on a project:',
        file: { path: '.vscode/mcp.json', text: json({ servers: { '{name}': remote } }) },
      },
    ],
    key: [
      {
        text: 'Write it: VS Code asks for the key once and keeps it.',
        file: {
          path: '.vscode/mcp.json',
          text: json({
            servers: { '{name}': { ...remote, headers: { Authorization: `Bearer ${dollar}{input:key}` } } },
            inputs: [{ type: 'promptString', id: 'key', description: 'Gatehouse key', password: true }],
          }),
        },
      },
    ],
  },
  {
    ...{ id: 'claude-desktop', title: 'Claude (web, desktop)', checkedAt: '2026-11', needsPublicAddress: true },
    signIn: [
      {
        text: 'In Settings, Connectors, choose “Add custom connector”; give it a name and this address.',
        command: '{url}',
      },
      { text: 'Press “Connect” and sign in.' },
    ],
    caveat: 'Its settings file takes no addresses. For a gateway that only your machine reaches: npx mcp-remote {url}',
  },
  {
    ...{ id: 'gemini-cli', title: 'Gemini CLI', checkedAt: '2026-11' },
    signIn: [
      { text: 'Add it.', command: 'gemini mcp add -s user --transport http {name} {url}' },
      { text: 'Sign in, inside Gemini:', command: '/mcp auth {name}' },
    ],
    key: [
      {
        text: 'Add it with your key in an environment variable.',
        command: `gemini mcp add -s user --transport http {name} {url} -H "Authorization: Bearer ${dollar}{env}"`,
      },
    ],
  },
  {
    ...{ id: 'opencode', title: 'OpenCode', checkedAt: '2026-11' },
    signIn: [
      { text: 'Add it.', command: 'opencode mcp add {name} --url {url}' },
      { text: 'Sign in.', command: 'opencode mcp auth {name}' },
    ],
    key: [
      {
        text: 'Write it; the key is read from the environment variable.',
        file: {
          path: 'opencode.json',
          text: json({
            $schema: 'https://opencode.ai/config.json',
            mcp: {
              '{name}': {
                ...{ type: 'remote', url: '{url}', enabled: true, oauth: false },
                headers: { Authorization: 'Bearer {env:{env}}' },
              },
            },
          }),
        },
      },
    ],
  },
  {
    ...{ id: 'any-agent', title: 'Any agent', checkedAt: '2026-11' },
    signIn: [{ text: 'Writes the settings of every agent that it finds.', command: 'npx add-mcp {url} -n {name} -g' }],
    key: [
      {
        text: 'Writes the settings of every agent that it finds.',
        command: `npx add-mcp {url} -n {name} -g --header 'Authorization: Bearer ${dollar}{{env}}'`,
      },
    ],
  },
];

export const recipes: readonly Recipe[] = codeAgents;
