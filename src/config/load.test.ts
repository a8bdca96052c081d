// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of the file format
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { openEncryptionKey } from './demo-keys.ts';
import { parseDotenv } from './dotenv.ts';
import type { Env } from './environment.ts';
import { loadConfig } from './load.ts';
import { settings } from './settings.ts';

const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
const database = 'postgresql://postgres:postgres@localhost:5432/mcp-gateway';

function load(env: Env, files: Readonly<Record<string, string>> = {}) {
  return loadConfig({ env, cwd: '/w', readFile: (path) => files[path.replace(/^\/w\//, '')] });
}
const yaml = (source: string, env: Env = {}) => load(env, { 'gatehouse.yaml': source });

test('nothing set is the demo with every default', () => {
  const config = load({});
  expect(config.demo).toBe(true);
  expect(config.http).toMatchObject({ host: '127.0.0.1', port: 3000, baseUrl: 'http://localhost:3000' });
  expect(config.telemetry).toMatchObject({ logLevel: 'info', logFormat: 'json' });
  expect(config.dataDir).toBe('/w/data');
  expect(config.ragieBaseUrl).toBe('https://api.ragie.ai/');
  expect(config.limits.timeouts).toMatchObject({ toolCallMs: 120_000, connectMs: 3000, idleMs: 60_000 });
  expect(config.limits.principal).toEqual({ requestsPerMinute: 600, concurrentCalls: 20, streams: 10 });
  expect(config.limits.request).toMatchObject({ urlBytes: 2048, mcpBytes: 1_048_576, jsonDepth: 32 });
});

test('a fresh start listens on loopback only [H12]', () => {
  expect(load({}).http.host).toBe('127.0.0.1');
});

test('the documented settings are read with their documented defaults [S0.20] [S0.21]', () => {
  const config = load({
    DATABASE_URL: database,
    ENCRYPTION_KEY: key,
    WORKOS_API_KEY: 'sk_abc',
    WORKOS_AUTHORIZATION_SERVER_URL: 'https://api.workos.com/auth/v1',
    WORKOS_CLIENT_ID: 'client_1',
    PORT: '4000',
    LOG_FORMAT: 'pretty',
  });
  expect(config.demo).toBe(false);
  expect(config.database.url?.reveal()).toBe(database);
  expect(config.http.baseUrl).toBe('http://localhost:4000');
  expect(config.telemetry).toMatchObject({ logLevel: 'info', logFormat: 'pretty' });
  expect(config.identity[0]?.read()).toMatchObject({
    kind: 'workos',
    authorizationServerUrl: 'https://api.workos.com/auth/v1',
    clientId: 'client_1',
  });
});

const refused: readonly (readonly [string, Env, string])[] = [
  ['a database without a key', { DATABASE_URL: database }, 'ENCRYPTION_KEY environment variable is required'],
  ['an open host without a key', { HOST: '0.0.0.0' }, 'ENCRYPTION_KEY environment variable is required'],
  [
    'production without a database',
    { NODE_ENV: 'production', ENCRYPTION_KEY: key },
    'DATABASE_URL environment variable is required',
  ],
  ['a short key', { ENCRYPTION_KEY: 'short' }, 'ENCRYPTION_KEY must be at least 32 characters'],
  ['a repeated letter as key', { ENCRYPTION_KEY: 'a'.repeat(40) }, 'too regular'],
  ['a repeated piece as key', { ENCRYPTION_KEY: '0123456789'.repeat(4) }, 'too regular'],
  ['an example key', { ENCRYPTION_KEY: 'your-encryption-key-at-least-32-chars' }, 'placeholder'],
  [
    'one WorkOS variable alone',
    { WORKOS_API_KEY: 'sk_1' },
    'WORKOS_AUTHORIZATION_SERVER_URL environment variable is required',
  ],
  ['a port that is none', { PORT: '70000' }, 'PORT is wrong: must be a port'],
  ['a log level that is none', { LOG_LEVEL: 'loud' }, 'LOG_LEVEL is wrong'],
  ['a base URL that is none', { BASE_URL: 'gw.example' }, 'BASE_URL is wrong'],
  ['an unknown variable of ours', { GATEHOUSE_PORT: '1' }, 'GATEHOUSE_PORT is not a setting'],
  ['a trusted proxy that is no address', { TRUSTED_PROXIES: '10.0.0.0/8, proxy' }, 'TRUSTED_PROXIES is wrong'],
  ['an origin with a path', { ALLOWED_ORIGINS: 'https://a.example/x' }, 'ALLOWED_ORIGINS is wrong'],
  ['SESSION_TIMEOUT without a unit', { SESSION_TIMEOUT: '3600' }, 'SESSION_TIMEOUT needs a unit'],
  ['a missing configuration file', { GATEHOUSE_CONFIG: 'x.yaml' }, 'x.yaml does not exist'],
  [
    'plain HTTP in production',
    { NODE_ENV: 'production', ENCRYPTION_KEY: key, DATABASE_URL: database, BASE_URL: 'http://gw.example' },
    'plain HTTP in production',
  ],
  [
    'a placeholder for the WorkOS key in production',
    {
      NODE_ENV: 'production',
      ENCRYPTION_KEY: key,
      DATABASE_URL: database,
      WORKOS_API_KEY: 'your_api_key',
      WORKOS_CLIENT_ID: 'c',
      WORKOS_AUTHORIZATION_SERVER_URL: 'https://a.example',
    },
    'WORKOS_API_KEY is a placeholder',
  ],
];
test.each(refused)('%s is refused [I9] [S4.6]', (_name, env, message) => {
  expect(() => load(env)).toThrow(message);
});

test('plain HTTP in production is accepted on loopback and when it is asked for', () => {
  const env = { NODE_ENV: 'production', ENCRYPTION_KEY: key, DATABASE_URL: database };
  expect(load(env).http.baseUrl).toBe('http://localhost:3000');
  expect(load({ ...env, BASE_URL: 'http://gw.example/', ALLOW_INSECURE_HTTP: 'true' }).http.baseUrl).toBe(
    'http://gw.example',
  );
});

test('a weak key is only a warning while developing', () => {
  expect(load({ NODE_ENV: 'test', ENCRYPTION_KEY: 'a'.repeat(32) }).warnings).toHaveLength(1);
});

test('session time is seconds of ours or any unit of theirs', () => {
  expect(load({ SESSION_TIMEOUT: '900000ms' }).limits.sessionTtlSeconds).toBe(900);
  expect(load({ SESSION_TIMEOUT: '3600s' }).limits.sessionTtlSeconds).toBe(3600);
  expect(load({ MCP_SESSION_TTL_SECONDS: '60', SESSION_TIMEOUT: '3600s' }).limits.sessionTtlSeconds).toBe(60);
});

test('keys.{BASE_DOMAIN} takes API keys only, unless KEYS_HOST names another host', () => {
  expect(load({ BASE_DOMAIN: 'gw.example' }).http).toMatchObject({
    baseUrl: 'https://auth.gw.example',
    keysHost: 'keys.gw.example',
  });
  expect(load({ BASE_DOMAIN: 'gw.example', KEYS_HOST: 'K.example' }).http.keysHost).toBe('k.example');
  expect(load({ BASE_DOMAIN: 'gw.example', KEYS_PORT: '3001' }).warnings).toEqual([]);
  expect(() => load({ BASE_URL: 'https://gw.example', KEYS_HOST: 'gw.example' })).toThrow('another name');
  expect(() => load({ KEYS_HOST: 'https://gw.example' })).toThrow('must be a host name');
  expect(() => load({ KEYS_PORT: '3000' })).toThrow('KEYS_PORT is the same as PORT');
});

test('REPLICA_URL is an origin of its own, and needs a database that replicas share', () => {
  const env = { DATABASE_URL: database, ENCRYPTION_KEY: key };
  expect(load(env).http.replicaUrl).toBeUndefined();
  const { http, warnings } = load({ ...env, REPLICA_URL: 'http://10.0.0.5:3100', REPLICA_PORT: '3200' });
  expect(http).toMatchObject({ replicaUrl: 'http://10.0.0.5:3100', replicaPort: 3200 });
  expect(warnings).toEqual([]);
  for (const url of ['http://10.0.0.5/x', 'http://a:b@10.0.0.5', 'http://10.0.0.5?x', 'ftp://10.0.0.5', 'x']) {
    expect(() => load({ ...env, REPLICA_URL: url })).toThrow('REPLICA_URL');
  }
  const same = { BASE_URL: 'https://gw.example', REPLICA_URL: 'https://gw.example/' };
  expect(() => load({ ...env, ...same })).toThrow('REPLICA_URL is BASE_URL');
  expect(() => load({ REPLICA_HOST: '0.0.0.0' })).toThrow('REPLICA_HOST needs REPLICA_URL');
  expect(load({ REPLICA_URL: 'http://10.0.0.5:3100' }).warnings).toEqual([
    'REPLICA_URL has no effect without DATABASE_URL: there is one replica only',
  ]);
});

test('the demo has an account to sign in with where nothing says whose people there are', () => {
  expect(load({})).toMatchObject({ demo: true, demoSignIn: true, identity: [{ kind: 'local' }] });
  const collections = load({ PORT: '4000' }, { 'gatehouse.yaml': 'limits: {}' });
  expect(collections).toMatchObject({ demo: true, demoSignIn: true });
  const organized = load({}, { 'gatehouse.yaml': 'organizations: [{slug: acme, name: Acme}]' });
  expect(organized).toMatchObject({ demo: true, demoSignIn: false, identity: [] });
  const keyed = load({ ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' });
  expect(keyed).toMatchObject({ demo: true, demoSignIn: false, identity: [] });
});

test('an empty variable is an unset one', () => {
  expect(load({ DATABASE_URL: '', PORT: '' }).http.port).toBe(3000);
});

test('.env in the current directory is loaded by itself, the environment wins [S0.20]', () => {
  const env = { HOME: '/home/me', PORT: '5000' };
  const config = load(env, { '.env': 'PORT=4000 # ours\nexport DATA_DIR="$HOME/data"\nLOG_LEVEL=\'debug\'\n' });
  expect(config.http.port).toBe(5000);
  expect(config.dataDir).toBe('/home/me/data');
  expect(config.telemetry.logLevel).toBe('debug');
});

test('.env knows quotes, comments, references and what only looks like one', () => {
  const source = [
    '# a comment',
    'A=plain # comment',
    "B='li#teral $HOME'",
    'C="two\\nlines $HOME" # c',
    'D=pa$$word#x',
    'E=${NO:-else}',
    'F = spaced',
    'G=',
    'H="a=b"',
    'I=${HOME}/x',
    'J="say \\"hi\\" \\$HOME"',
    'K=a b',
  ].join('\r\n');
  expect(parseDotenv(source, { HOME: '/h' })).toEqual({
    A: 'plain',
    B: 'li#teral $HOME',
    C: 'two\nlines /h',
    D: 'pa$$word#x',
    E: 'else',
    F: 'spaced',
    G: '',
    H: 'a=b',
    I: '/h/x',
    J: 'say "hi" $HOME',
    K: 'a b',
  });
});

test('.env.example works as .env as it stands [S0.20] [S0.21]', async () => {
  const source = await readFile(join(import.meta.dirname, '../../.env.example'), 'utf8');
  const config = load({}, { '.env': source });
  expect(config.database.url?.reveal()).toBe(database);
  expect(config.identity[0]?.read()).toMatchObject({ authorizationServerUrl: 'https://api.workos.com/auth/v1' });
  expect(config.telemetry).toMatchObject({ logLevel: 'info', logFormat: 'pretty' });
  expect(() => load({ NODE_ENV: 'production' }, { '.env': source })).toThrow('placeholder');
});

test('the example configuration is accepted as it stands', async () => {
  const source = await readFile(join(import.meta.dirname, '../../examples/gatehouse.yaml'), 'utf8');
  const config = yaml(source);
  expect(config.demo).toBe(true);
  expect(config.http.port).toBe(3000);
  expect(config.collections[0]?.bindings[0]?.enforced).toEqual({ retrieve: { filter: { department: 'people' } } });
});

test('environment over file over default', () => {
  const source = 'http:\n  port: 4000\n  host: localhost\n';
  expect(yaml(source).http).toMatchObject({ port: 4000, host: 'localhost' });
  expect(yaml(source, { PORT: '5000' }).http.port).toBe(5000);
});

test('the structured part of the file is read', () => {
  const config = yaml(
    `
organizations: [{slug: acme, name: Acme, externalId: org_123}]
servers:
  - {key: docs, transport: {kind: http, url: 'https://docs.example/mcp/{partition}/'}}
  - {key: files, transport: {kind: stdio, command: files-mcp, args: ['\${ROOT:-/srv}']}, trusted: true}
collections:
  - organization: acme
    name: handbook
    allowedRoles: [admin]
    bindings:
      - {server: docs, partition: soc2, credential: '\${DOCS_KEY}', enforced: {retrieve: {filter: {team: a}}}}
enablements: [{organization: acme, server: files, allMembers: true}]
limits: {timeouts: {toolCallMs: 30s}, request: {mcpBytes: 2097152}}
`,
    { DOCS_KEY: 'tnt_1' },
  );
  expect(config.servers[1]?.transport).toMatchObject({ kind: 'stdio', args: ['/srv'], state: 'stateful', env: {} });
  expect(config.collections[0]?.bindings[0]?.credential?.reveal()).toBe('tnt_1');
  expect(config.collections[0]?.bindings[0]?.enforced).toEqual({ retrieve: { filter: { team: 'a' } } });
  expect(config.limits.timeouts.toolCallMs).toBe(30_000);
  expect(config.limits.request.mcpBytes).toBe(2_097_152);
});

test('templates of rules are not references of the file', () => {
  const rule = '$'.concat('{user.email}');
  const config = yaml(`
collections:
  - organization: acme
    name: all
    allowedRoles: '*'
    mode: auto
    bindings:
      - {server: a, prefix: '', tools: {pins: off, arguments: {find: {who: {fixed: '${rule}'}}}}}
`);
  expect(config.collections[0]).toMatchObject({ names: 'prefixed', mode: 'auto', tokenBudget: 10_000 });
  const tools = { pins: 'off', arguments: { find: { who: { fixed: rule } } } };
  expect(config.collections[0]?.bindings[0]).toMatchObject({ prefix: '', tools });
});

const wrongFiles: readonly (readonly [string, string, string])[] = [
  [
    'two bindings with one prefix',
    `collections:\n  - {organization: a, name: c, allowedRoles: '*', bindings: [{server: x}, {server: y, prefix: x}]}\n`,
    'collections[0].bindings[1].prefix',
  ],
  ['an unknown key', 'http:\n  prot: 1\n', 'gatehouse.yaml:2:3: http.prot is not a setting: remove it'],
  ['an unknown top-level key', 'htpp: {}\n', 'gatehouse.yaml:1:1: htpp is not a setting'],
  [
    'a wrong value',
    'servers:\n  - key: Docs\n    transport: {kind: builtin, name: echo}\n',
    'gatehouse.yaml:2:5: servers[0].key',
  ],
  ['a missing value', 'servers:\n  - key: docs\n', 'servers[0].transport'],
  [
    "a literal key of an identity provider's API",
    'identity:\n  - kind: clerk\n    secretKey: anything\n',
    'gatehouse.yaml:3:16: identity[0].secretKey is a secret',
  ],
  ['a literal key', `secrets:\n  encryptionKey: ${key}\n`, 'gatehouse.yaml:2:18: secrets.encryptionKey is a secret'],
  ['a password in a URL', `database: {url: '${database}'}`, 'gatehouse.yaml:1:17: database.url is a secret'],
  [
    'a literal credential',
    'collections:\n  - organization: a\n    name: b\n    allowedRoles: "*"\n    bindings: [{server: s, credential: abc}]\n',
    'is a secret',
  ],
  [
    'a secret in the environment of a child',
    'servers: [{key: s, transport: {kind: stdio, command: x, env: {API_KEY: abc}}}]',
    'credentialEnv',
  ],
  ['an unset reference', 'http: {host: "${NOPE}"}', '${NOPE} is not set: set NOPE'],
  ['a missing referenced file', 'http: {host: "${file:nope}"}', 'the file nope does not exist'],
  ['an identity provider of no known kind', 'identity: [{kind: saml}]', 'gatehouse.yaml:1:13'],
  [
    'an identity provider without what it needs',
    'identity: [{kind: oidc, issuer: https://a.example}]',
    'identity[0].audiences',
  ],
  ['a list instead of a map', '- a', 'gatehouse.yaml:1:1: the file must be a map'],
  ['a wrong type', 'limits: {principal: {requestsPerMinute: lots}}', 'requestsPerMinute is wrong: expected number'],
  [
    'a transport of no known kind',
    'servers: [{key: s, transport: {kind: websocket}}]',
    "expected 'http' | 'sse' | 'stdio' | 'process' | 'container' | 'openapi' | 'builtin'",
  ],
  ['an alias', 'http: &a {port: 1}\nredis: *a\n', 'aliases'],
  ['a prototype key', '__proto__: {a: 1}\n', 'this key is not accepted'],
  ['a key twice', 'http: {}\nhttp: {}\n', 'gatehouse.yaml:2:1'],
  ['policies that are none', 'policies: [{organization: a, name: b}]', 'either policies or config'],
  ['a misspelt choice of policies', 'policies: [{organization: a, name: b, policies: x, onEror: skip}]', 'onEror'],
  ['a policy of no organization', 'policies: [{name: a}]', 'policies[0].organization'],
  [
    'an enablement for some and for all',
    'enablements: [{organization: a, server: b, allMembers: true, allowedRoles: [c]}]',
    'allMembers',
  ],
  [
    'a server defined twice',
    'servers: [{key: s, transport: {kind: builtin, name: a}}, {key: s, transport: {kind: builtin, name: b}}]',
    'defined twice',
  ],
  ['a timeout over its bound', 'limits: {timeouts: {toolCallMs: 2h}}', 'limits.timeouts.toolCallMs'],
];
test.each(wrongFiles)('%s in the file is refused with its place', (_name, source, message) => {
  expect(() => yaml(source)).toThrow(message);
});

test('a message about a secret never shows it', () => {
  expect(() => yaml(`secrets: {encryptionKey: ${key}}`)).toThrow(expect.not.stringContaining(key));
});

test('secrets come from files beside the configuration', () => {
  const config = load(
    { GATEHOUSE_CONFIG: 'etc/gatehouse.yaml' },
    { 'etc/gatehouse.yaml': 'secrets: {encryptionKey: "${file:key}"}', 'etc/key': `${key}\n` },
  );
  expect(config.secrets.encryptionKey?.reveal()).toBe(key);
});

test('MAPPING_FILE is read strictly [S0.24]', () => {
  const good = { 'm.json': '{"org_1":{"docs":{"partition":"p","apiKey":"tnt_9","allowedRoles":["admin"]}}}' };
  expect(load({ MAPPING_FILE: 'm.json' }, good).mapping.org_1?.docs?.apiKey.reveal()).toBe('tnt_9');
  for (const wrong of ['"partition":"p","apiKey":"x"', '"partition":"p","apiKey":"x","allowedRoles":"*","extra":1']) {
    const bad = { 'm.json': `{"org_1":{"docs":{${wrong}}}}` };
    expect(() => load({ MAPPING_FILE: 'm.json' }, bad)).toThrow('m.json is wrong');
  }
  expect(() => load({ MAPPING_FILE: 'm.json' }, { 'm.json': '{' })).toThrow('must be valid JSON');
});

test('the configuration is frozen and prints no secret', () => {
  const config = load({
    ENCRYPTION_KEY: key,
    DATABASE_URL: database,
    WORKOS_API_KEY: 'sk_canary',
    WORKOS_CLIENT_ID: 'c',
    WORKOS_AUTHORIZATION_SERVER_URL: 'https://a.example',
  });
  expect(Object.isFrozen(config.http)).toBe(true);
  const printed = inspect(config, { depth: 20 }) + JSON.stringify(config);
  for (const canary of [key, 'postgres:postgres', 'sk_canary']) expect(printed).not.toContain(canary);
});

test('WorkOS in the file takes the place of its variables', () => {
  const source = `identity: [{kind: workos, apiKey: '\${WORKOS_API_KEY}', clientId: c2, authorizationServerUrl: https://a.example}]`;
  const { identity } = yaml(source, { ENCRYPTION_KEY: key, WORKOS_API_KEY: 'sk_1' });
  expect(identity.map((provider) => provider.read())).toMatchObject([
    { kind: 'workos', apiKey: 'sk_1', clientId: 'c2' },
  ]);
});

test('there are at most 60 settings, each named once', () => {
  const names = settings.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(settings.length).toBeLessThanOrEqual(60);
  expect(new Set(names).size).toBe(names.length);
});

test('the demo makes its key once and keeps it readable by its owner only', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'gatehouse-'));
  try {
    const config = loadConfig({ env: {}, cwd, readFile: () => undefined });
    const first = await openEncryptionKey(config);
    expect((await openEncryptionKey(config)).reveal()).toBe(first.reveal());
    expect((await stat(join(cwd, 'data/keys.json'))).mode & 0o777).toBe(0o600);
    expect(await readFile(join(cwd, 'data/keys.json'), 'utf8')).toContain(first.reveal());
  } finally {
    await rm(cwd, { recursive: true });
  }
});
