/** The servers that come along as programs, called by the official client through the gateway, with and without a sandbox. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, send } from '#kit/http-client.ts';
import { cli } from '#kit/run-cli.ts';
import { noSandbox } from '#kit/sandbox.ts';

const names = ['everything', 'filesystem', 'memory', 'sequentialthinking', 'tmux', 'time'];
const isThere = (command: string) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      return readdirSync(folder).includes(command);
    } catch {
      return false;
    }
  });
const noTmux = isThere('tmux') ? '' : 'tmux is not installed';
const signIn = { GITHUB_CLIENT_ID: 'id', GITHUB_CLIENT_SECRET: 'a-secret', ALLOWED_GITHUB_USERS: 'ada' };
const env = {
  ...{ ...signIn, ENCRYPTION_KEY: 'a-root-secret-of-programs-by-name-only' },
  ...Object.fromEntries(names.map((name) => [`MCP_${name.toUpperCase()}_ENABLED`, 'true'])),
};
const texts = z.array(z.object({ text: z.string() }));
const keySchema = z.object({ key: z.string() });

describe.each([
  { sandbox: 'auto', left: noSandbox, folder: '/workspace' },
  { sandbox: 'none', left: '', folder: undefined },
])('with runner.sandbox $sandbox', ({ sandbox, left, folder }) => {
  let dataDir: string;
  let gateway: RunningGateway;
  let auth: Record<string, string>;

  beforeAll(async () => {
    if (left !== '') return;
    dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-programs-'));
    const configYaml = `organizations: [{ slug: acme, name: Acme }]\nrunner: { sandbox: ${sandbox} }\n`;
    gateway = await startGateway({ dataDir, configYaml, env });
    auth = bearer(keySchema.parse(await gateway.cli('key', 'create', '--org', 'acme')).key);
  });
  afterAll(async () => {
    await gateway?.stop();
    if (dataDir) rmSync(dataDir, { recursive: true, force: true });
  });

  async function withServer<T>(name: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = new Client({ name: 'test', version: '1' });
    const url = new URL(`${gateway.url}/acme/mcp/${name}`);
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: auth } }));
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }
  const tell = (client: Client, name: string, args: Record<string, unknown>) =>
    client.callTool({ name, arguments: args }).then((result) => JSON.stringify(result));

  test.skipIf(left !== '')('everything listens, and answers [S1.33]', () =>
    withServer('mcp-everything', async (client) => {
      expect(await tell(client, 'echo', { message: 'over there' })).toContain('over there');
      expect((await client.listPrompts()).prompts.length).toBeGreaterThan(0);
      expect((await client.listResources()).resources.length).toBeGreaterThan(0);
    }),
  );

  test.skipIf(left !== '')('files are in its one folder, and nowhere else [S1.33]', () =>
    withServer('filesystem', async (client) => {
      const kept = join(dataDir, 'servers', 'mcp-filesystem');
      const seen = folder ?? kept;
      expect(await tell(client, 'list_allowed_directories', {})).toContain(seen);
      await tell(client, 'write_file', { path: join(seen, 'a.txt'), content: 'kept' });
      expect(readFileSync(join(kept, 'a.txt'), 'utf8')).toBe('kept');
      expect(await tell(client, 'read_text_file', { path: '/etc/hostname' })).toMatch(/denied/i);
    }),
  );

  test.skipIf(left !== '')('the knowledge graph is kept in its folder [S1.33]', () =>
    withServer('mcp-memory', async (client) => {
      const entities = [{ name: 'ada', entityType: 'person', observations: ['counts'] }];
      await tell(client, 'create_entities', { entities });
      expect(await tell(client, 'read_graph', {})).toContain('ada');
      expect(readFileSync(join(dataDir, 'servers', 'mcp-memory', 'memory.json'), 'utf8')).toContain('ada');
    }),
  );

  test.skipIf(left !== '')('thinking and the time of day answer [S1.33]', async () => {
    const thought = { thought: 'one', nextThoughtNeeded: false, thoughtNumber: 1, totalThoughts: 1 };
    await withServer('sequentialthinking', async (client) => {
      expect(await tell(client, 'sequentialthinking', thought)).toContain('thoughtNumber');
    });
    await withServer('time', async (client) => {
      expect(await tell(client, 'get_current_time', { timezone: 'Europe/Paris' })).toContain('Europe/Paris');
    });
  });

  test.skipIf(left !== '' || noTmux !== '')('a terminal runs a command [S1.33]', () =>
    withServer('tmux', async (client) => {
      const asked = { name: 'create-session', arguments: { name: 'one' } };
      const { content } = z.object({ content: texts }).parse(await client.callTool(asked));
      const made = z.object({ id: z.string(), name: z.literal('one') }).parse(JSON.parse(content[0]?.text ?? ''));
      expect(await tell(client, 'list-windows', { sessionId: made.id })).toContain('active');
    }),
  );

  test.skipIf(left !== '')(
    'all are well: by check, which wants their revisions, and in /health [S1.34] [S1.35]',
    async () => {
      const checked = await cli(['check', '--org', 'acme', '--json'], { env: { ...env, DATA_DIR: dataDir } });
      const found = z
        .array(z.object({ server: z.string(), state: z.string(), protocolVersion: z.string() }))
        .parse(JSON.parse(checked.out));
      const pins = {
        ...{ 'mcp-everything': '2025-06-18', 'mcp-filesystem': '2025-03-26', 'mcp-memory': '2024-11-05' },
        ...{ 'mcp-sequentialthinking': '2024-11-05', 'mcp-time': '2025-03-26', 'mcp-tmux': '2025-06-18' },
      };
      expect(Object.fromEntries(found.map(({ server, protocolVersion }) => [server, protocolVersion]))).toEqual(pins);
      expect([checked.code, found.filter(({ state }) => state !== 'well')]).toEqual([0, []]);
      const health = await send(`${gateway.url}/health`, { method: 'GET', headers: auth });
      const { servers } = z
        .object({ servers: z.record(z.string(), z.object({ healthy: z.int(), instances: z.int() })) })
        .parse(JSON.parse(health.text));
      expect(Object.keys(servers).sort()).toEqual(Object.keys(pins).sort());
      expect(Object.values(servers).every(({ healthy, instances }) => healthy === instances)).toBe(true);
    },
  );
});
