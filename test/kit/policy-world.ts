/** An organization with two servers, a collection of both, an API key, and a command line to attach policies with. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { askModern } from './engine-world.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import {
  type RecordedRequest,
  type RecordingUpstream,
  type Script,
  startRecordingUpstream,
} from './recording-upstream.ts';
import { type CliRun, cli } from './run-cli.ts';

export interface PolicyWorld {
  readonly url: string;
  readonly key: string;
  readonly database: TestDatabase;
  readonly dataDir: string;
  /** The server `files`. */
  readonly upstream: RecordingUpstream;
  policy(...args: readonly string[]): Promise<CliRun>;
  /** Saves the set `p`. */
  put(text: string, ...args: readonly string[]): Promise<void>;
  /** The set `p`. */
  remove(): Promise<CliRun>;
  sent(method: string): readonly RecordedRequest[];
  at(endpoint: string): string;
  /** The status. */
  callTool(name: string, args?: object, endpoint?: string): Promise<number>;
  close(): Promise<void>;
}

const yamlOf = (files: string, jira: string) => `
organizations: [{ slug: acme, name: Acme }]
servers:
  - { key: files, transport: { kind: http, url: '${files}/mcp' } }
  - { key: jira, transport: { kind: http, url: '${jira}/mcp' } }
enablements:
  - { organization: acme, server: files, allMembers: true }
  - { organization: acme, server: jira, allMembers: true }
collections:
  - { organization: acme, name: both, allowedRoles: '*', bindings: [{ server: files }, { server: jira }] }
limits:
  principal: { requestsPerMinute: 100000 }
  organization: { requestsPerMinute: 100000 }
  breaker: { consecutiveFailures: 100000, minimumCalls: 100000 }
egress: { allow: ['127.0.0.1'] }
`;

export const anySchema = { type: 'object' };
const tools = [
  { name: 'read', inputSchema: anySchema, annotations: { readOnlyHint: true } },
  { name: 'write', inputSchema: anySchema, annotations: { readOnlyHint: false } },
  { name: 'secret', inputSchema: anySchema },
];
const prompts = [{ name: 'hello' }, { name: 'hidden' }];
const resources = [
  { uri: 'file:///a', name: 'a' },
  { uri: 'file:///b', name: 'b' },
];

const answers: Readonly<Record<string, object>> = {
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {}, prompts: {}, resources: { subscribe: true }, completions: {}, logging: {} },
    serverInfo: { name: 'files', version: '1' },
  },
  'tools/list': { tools },
  'prompts/list': { prompts },
  'resources/list': { resources },
  'resources/templates/list': { resourceTemplates: [] },
  'tools/call': { content: [{ type: 'text', text: 'done' }] },
  'prompts/get': { messages: [] },
  'resources/read': { contents: [] },
  'completion/complete': { completion: { values: [] } },
};

/** Of the legacy era, without sessions; `dress`: how a result is written. */
export const serving =
  (dress: (message: string, res: Parameters<Script>[1]) => void): Script =>
  ({ method, rpc }, res) => {
    if (method !== 'POST') return void res.writeHead(405).end();
    if (rpc.id === undefined) return void res.writeHead(202).end();
    const answer = answers[String(rpc.method)];
    const isModern = JSON.stringify(rpc.params ?? {}).includes('io.modelcontextprotocol/protocolVersion');
    const error = { code: -32601, message: 'Method not found' };
    const body = answer && !isModern ? { result: answer } : { error };
    dress(JSON.stringify({ jsonrpc: '2.0', id: rpc.id, ...body }), res);
  };
export const plainJson = serving(
  (message, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end(message),
);

export async function startPolicyWorld(): Promise<PolicyWorld> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-policies-'));
  const [database, upstream, other] = await Promise.all([
    createTestDatabase(),
    startRecordingUpstream(),
    startRecordingUpstream(),
  ]);
  upstream.script(plainJson);
  other.script(plainJson);
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? yamlOf(upstream.url, other.url) : undefined);
  const app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  const made = await cli(['key', 'create', '--org', 'acme', '--name', 't', '--json'], { env });
  const { key } = z.object({ key: z.string() }).parse(JSON.parse(made.out));
  const policy = (...args: readonly string[]) => cli(['policy', ...args, '--org', 'acme'], { env });
  const at = (endpoint: string) => `${app.url}/acme/mcp/${endpoint}`;
  return {
    ...{ url: app.url, key, database, dataDir, upstream, policy, at },
    async put(text, ...args) {
      const source = join(dataDir, 'p.cedar');
      writeFileSync(source, text);
      const { code, err } = await policy('put', 'p', '--file', source, ...args);
      if (code !== 0) throw new Error(err);
    },
    remove: () => policy('remove', 'p'),
    sent: (method) => upstream.requests.filter(({ rpc }) => rpc.method === method),
    async callTool(name, args = {}, endpoint = 'files') {
      return (await askModern(at(endpoint), 'tools/call', { name, arguments: args }, { key })).status;
    },
    async close() {
      await app.close();
      await Promise.all([upstream.close(), other.close(), database.close()]);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}
