/** The clients, with the commands that their users type. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CliClient, type Desk, lineSaying, noWayOut, Skipped, serverName } from './client.ts';

const conversationNeedsAccount = 'a tool called by the model in a conversation: needs an account';

const claudeCode: CliClient = {
  name: 'Claude Code',
  key: 'claude-code',
  package: '@anthropic-ai/claude-code',
  version: '2.1.329',
  program: 'claude',
  clientName: 'claude-code',
  lines: ['claude mcp add --transport http --scope user acme URL', 'claude mcp login acme'],
  env: {
    ...noWayOut,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    DISABLE_AUTOUPDATER: '1',
  },
  skipped: [conversationNeedsAccount],
  async signIn({ program, mcpUrl, run }) {
    await run([program, 'mcp', 'add', '--transport', 'http', '--scope', 'user', serverName, mcpUrl]);
    const terminal = ['/usr/bin/script', '/bin/script'].find(existsSync);
    if (process.platform !== 'linux' || terminal === undefined)
      throw new Skipped('needs a terminal to sign in, lent by script(1) of Linux');
    const { text } = await run([terminal, '-qfec', `"${program}" mcp login ${serverName}`, '/dev/null']);
    if (!text.includes(`Authenticated with "${serverName}"`)) throw new Error(`mcp login said:\n${text.trim()}`);
  },
  status: async ({ program, run }) => lineSaying(await run([program, 'mcp', 'list']), /✔ Connected/),
};

const codex: CliClient = {
  name: 'Codex',
  key: 'codex',
  package: '@openai/codex',
  version: '0.169.0',
  program: 'codex',
  clientName: 'codex-mcp-client',
  lines: ['codex mcp add acme --url URL', 'codex mcp login acme   # again, or later'],
  env: noWayOut,
  skipped: [conversationNeedsAccount],
  prepare({ home }) {
    const settings = ['check_for_update_on_startup = false', 'mcp_oauth_credentials_store = "file"'];
    mkdirSync(join(home, '.codex'));
    writeFileSync(join(home, '.codex/config.toml'), [...settings, '[analytics]', 'enabled = false', ''].join('\n'));
  },
  async signIn({ program, mcpUrl, run }) {
    const { text } = await run([program, 'mcp', 'add', serverName, '--url', mcpUrl]);
    if (!text.includes('Successfully logged in')) throw new Error(`mcp add said:\n${text.trim()}`);
  },
  async status(desk) {
    const line = lineSaying(await desk.run([desk.program, 'mcp', 'list']), /enabled\s+OAuth/);
    await listCodexTools(desk);
    return line;
  },
};

/** `mcp list` connects to nothing: what editors start, the app server, does, and lists the tools without an account. */
async function listCodexTools({ program, run }: Desk): Promise<void> {
  const asked = [
    { id: 1, method: 'initialize', params: { clientInfo: { name: 'lane', title: 'Lane', version: '1' } } },
    { method: 'initialized' },
    { id: 2, method: 'mcpServerStatus/list', params: {} },
  ];
  const { text } = await run([program, 'app-server'], {
    anyCode: true,
    watch(said, { say, stop }) {
      if (said === '') for (const message of asked) say(JSON.stringify(message));
      if (/"id":2,"result".*\n/.test(said)) stop();
    },
  });
  if (!/"tools":\{"/.test(text)) throw new Error(`the app server lists no tools:\n${text.trim()}`);
}

const openCode: CliClient = {
  name: 'OpenCode',
  key: 'opencode',
  package: 'opencode-ai',
  version: '1.18.33',
  program: 'opencode',
  clientName: 'opencode',
  lines: ['opencode mcp add acme --url URL', 'opencode mcp auth acme'],
  env: {
    ...noWayOut,
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
    OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  },
  skipped: [conversationNeedsAccount],
  async signIn({ program, mcpUrl, run }) {
    await run([program, 'mcp', 'add', serverName, '--url', mcpUrl]);
    const { text } = await run([program, 'mcp', 'auth', serverName]);
    if (!text.includes('Authentication successful')) throw new Error(`mcp auth said:\n${text.trim()}`);
  },
  status: async ({ program, run }) => lineSaying(await run([program, 'mcp', 'list']), /✓.*connected/),
};

const gemini: CliClient = {
  name: 'Gemini CLI',
  key: 'gemini',
  package: '@google/gemini-cli',
  version: '0.61.0',
  program: 'gemini',
  clientName: 'gemini-cli-mcp-client',
  lines: ['gemini mcp add --scope user --transport http acme URL', 'gemini -i "/mcp auth acme"'],
  // Its own proxy would take loopback, too. The key is never used: no model is asked.
  env: { GEMINI_API_KEY: 'none', GEMINI_CLI_TRUST_WORKSPACE: 'true' },
  skipped: [conversationNeedsAccount],
  prepare({ home }) {
    const settings = {
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
      general: { enableAutoUpdate: false },
      security: { auth: { selectedType: 'gemini-api-key' } },
    };
    mkdirSync(join(home, '.gemini'));
    writeFileSync(join(home, '.gemini/settings.json'), JSON.stringify(settings));
  },
  async signIn({ program, mcpUrl, run }) {
    await run([program, 'mcp', 'add', '--scope', 'user', '--transport', 'http', serverName, mcpUrl]);
    let agreed = false;
    // Without a terminal it signs in, and then complains that the command has no prompt for the model.
    const { text } = await run([program, '--prompt', `/mcp auth ${serverName}`], {
      anyCode: true,
      watch(said, { say }) {
        if (agreed || !said.includes('[Y/n]')) return;
        agreed = true;
        say('y');
      },
    });
    if (!text.includes('Successfully authenticated')) throw new Error(`/mcp auth said:\n${text.trim()}`);
  },
  status: async ({ program, run }) => lineSaying(await run([program, 'mcp', 'list']), /✓.*Connected/),
};

export const clients: readonly CliClient[] = [claudeCode, codex, openCode, gemini];
