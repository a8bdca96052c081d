/** A gateway whose people are Open WebUI's, in front of a scripted upstream, with its audit trail at hand. */
import { SignJWT } from 'jose';
import { type RunningGateway, startGateway } from './gateway.ts';
import { type Answer, send } from './http-client.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';
import {
  answerMcp,
  json,
  type RecordingUpstream,
  result,
  type Script,
  startRecordingUpstream,
} from './recording-upstream.ts';

const secret = 'open-webui-shares-this-secret-with-us';

const userTable = `
  create table public."user" (
    id text primary key, name text not null, email text not null, role text not null,
    profile_image_url text not null default '', created_at bigint not null default 0
  );
  insert into public."user" (id, name, email, role) values
    ('ann', 'Ann', 'ann@example.com', 'admin'), ('bob', 'Bob', 'bob@example.com', 'user')`;

/** Tools that show what documents and answers must cope with. */
export const restTools = [
  {
    name: 'echo',
    title: 'Echo',
    description: 'Gives back what it got',
    inputSchema: {
      type: 'object',
      properties: { n: { type: 'number' }, region: { type: 'string', 'x-mcp-header': 'Region' } },
    },
  },
  { name: 'ping', description: 'Takes nothing', inputSchema: { type: 'object', properties: {} } },
  { name: 'fail', description: 'Fails', inputSchema: { type: 'object' } },
  {
    name: 'tree.grow',
    description: 'Has definitions',
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        root: { $ref: '#/$defs/Node', description: 'Where it begins' },
        kind: { anyOf: [{ $ref: '#/$defs/Kind' }, { type: 'null' }] },
        free: true,
        away: { $ref: 'https://evil.example/schema.json' },
      },
      required: ['root'],
      $defs: {
        Kind: { enum: ['oak', 'fir'] },
        Node: {
          type: 'object',
          properties: { name: { type: 'string' }, children: { type: 'array', items: { $ref: '#/$defs/Node' } } },
        },
      },
    },
    outputSchema: { type: 'object', properties: { leaves: { type: 'integer' } }, required: ['leaves'] },
  },
  {
    name: 'wrap',
    description: 'Has an argument called arguments',
    inputSchema: { type: 'object', properties: { arguments: { type: 'object' } } },
  },
];

const contents: Readonly<Record<string, unknown>> = {
  'tree.grow': { content: [{ type: 'text', text: '{"leaves":3}' }], structuredContent: { leaves: 3 } },
  fail: { content: [{ type: 'text', text: 'The tool is tired' }], isError: true },
  words: { content: [{ type: 'text', text: 'plain words' }] },
  many: {
    content: [
      { type: 'text', text: '12345678901234567890' },
      { type: 'image', mimeType: 'image/png', data: 'AAAA' },
      { type: 'resource', resource: { uri: 'x://y', mimeType: 'text/plain', text: 'inside' } },
    ],
  },
};

export const answerRest: Script = (request, res) => {
  const { rpc } = request;
  if (rpc.method === 'tools/list') return result({ tools: restTools })(request, res);
  const name = String(rpc.params?.name);
  if (rpc.method !== 'tools/call') return answerMcp(request, res);
  if (contents[name]) return result(contents[name])(request, res);
  if (!restTools.some((tool) => tool.name === name))
    return json({ jsonrpc: '2.0', id: rpc.id, error: { code: -32602, message: `No tool ${name} here` } })(request, res);
  return answerMcp(request, res);
};

export interface RestWorld {
  readonly gateway: RunningGateway;
  readonly upstream: RecordingUpstream;
  readonly database: TestDatabase;
  /** Administrator, and somebody without roles. */
  readonly ann: Headers;
  readonly bob: Headers;
  token(id: string): Promise<string>;
  get(path: string, headers?: Headers): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Headers): Promise<Answer>;
  close(): Promise<void>;
}

type Headers = Readonly<Record<string, string>>;

export async function startRestWorld({
  extraYaml = '',
  env = {},
}: {
  readonly extraYaml?: string;
  readonly env?: Headers;
} = {}): Promise<RestWorld> {
  const [database, upstream] = await Promise.all([createTestDatabase(), startRecordingUpstream()]);
  await database.sql(userTable);
  upstream.script(answerRest);
  const gateway = await startGateway({
    configYaml: `
servers:
  - { key: plain, title: Plain Tools, transport: { kind: http, url: '${upstream.url}/mcp' } }
  - { key: extra, title: Extra, transport: { kind: http, url: '${upstream.url}/extra' } }
  - { key: away, title: Away, transport: { kind: http, url: 'http://127.0.0.1:9/mcp' } }
collections:
  - { organization: default, name: admins, allowedRoles: [MCP-Admin], bindings: [{ server: plain }] }
  - { organization: default, name: my_docs, allowedRoles: '*', bindings: [{ server: plain }] }
  - organization: default
    name: fixed
    allowedRoles: '*'
    bindings: [{ server: plain, enforced: { echo: { filter: { team: red } } } }]
  - { organization: default, name: short, allowedRoles: [MCP-Admin], mode: meta, bindings: [{ server: plain }] }
  - { organization: default, name: gone, allowedRoles: [MCP-Admin], bindings: [{ server: away }] }
enablements:
  - { organization: default, server: plain, allMembers: true }
  - { organization: default, server: away, allowedRoles: [nobody] }
egress: { allow: ['127.0.0.1'] }
${extraYaml}`,
    env: {
      DATABASE_URL: database.url,
      ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
      WEBUI_SECRET_KEY: secret,
      RATE_LIMIT_PER_MINUTE: '10000',
      ...env,
    },
  });
  const token = (id: string) =>
    new SignJWT({ id, exp: Math.floor(Date.now() / 1000) + 3600, jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .sign(new TextEncoder().encode(secret));
  const [ann, bob] = await Promise.all(
    ['ann', 'bob'].map(async (id) => ({ authorization: `Bearer ${await token(id)}` })),
  );
  if (!ann || !bob) throw new Error('unreachable');
  const json = { accept: 'application/json' };
  return {
    gateway,
    upstream,
    database,
    ann,
    bob,
    token,
    get: (path, headers = bob) => send(gateway.url + path, { method: 'GET', headers: { ...json, ...headers } }),
    post: (path, body, headers = bob) => send(gateway.url + path, { headers: { ...json, ...headers }, body }),
    async close() {
      await gateway.stop();
      await upstream.close();
      await database.close();
    },
  };
}
