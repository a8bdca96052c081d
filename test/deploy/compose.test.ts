import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { namedServers } from '#admin/named-servers.ts';
import { loadConfig } from '#config/load.ts';
import { makeIncludes } from '#scripts/includes.ts';
import { type ComposeFile, type ComposePart, interpolated, readCompose, requiredNames } from './compose-file.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const files = globSync(['docker-compose*.yml', 'deploy/{caddy,traefik,replicas}/compose.yml']).sort();
const programs = globSync('deploy/traefik/servers/*.yml').sort();
const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';

/** What an operator writes into .env. */
const given = {
  GATEWAY_DOMAIN: 'ai.example.com',
  BASE_DOMAIN: 'mcp.example.com',
  BASE_URL: 'https://mcp.example.com',
  ACME_EMAIL: 'ops@example.com',
  DATABASE_URL: 'postgresql://postgres:postgres@db:5432/mcp-gateway',
  POSTGRES_PASSWORD: 'a1b2c3',
  REDIS_PASSWORD: 'd4e5f6',
  ENCRYPTION_KEY: key,
  WEBUI_SECRET_KEY: `${key}-webui`,
  GITHUB_CLIENT_ID: 'client',
  GITHUB_CLIENT_SECRET: 'a-secret-of-github',
  ALLOWED_GITHUB_USERS: 'octocat',
  MCP_BRIDGE_TOKEN: '0123456789abcdef',
};

const isGateway = ({ environment }: ComposePart) =>
  environment.DATABASE_URL?.includes('/') && environment.ENCRYPTION_KEY;
const gatewaysOf = ({ services }: ComposeFile) => Object.entries(services).filter(([, part]) => isGateway(part));

/** The environment of one, as it would see it. */
function environmentOf(part: ComposePart): Record<string, string> {
  const entries = Object.entries(part.environment).map(([name, value]) => [name, interpolated(value, given)]);
  return Object.fromEntries(entries);
}

test('there is a file for each way, and the three names of the older gateway', () => {
  expect(files).toEqual([
    'deploy/caddy/compose.yml',
    'deploy/replicas/compose.yml',
    'deploy/traefik/compose.yml',
    'docker-compose.local-test.yml',
    'docker-compose.unified.yml',
    'docker-compose.yml',
  ]);
});

describe.each([...files, ...programs])('%s', (path) => {
  const compose = readCompose(path);

  test('images are pinned to a version, or built from here', () => {
    for (const [name, { image = '', build }] of Object.entries(compose.services)) {
      if (build === undefined) expect(image, name).toMatch(/^[\w./-]+:v?\d+\.\d+(\.\d+)?(-alpine)?$/);
      const context = typeof build === 'string' ? build : build?.context;
      if (context !== undefined) expect(existsSync(join(dirname(path), context, 'Dockerfile')), name).toBe(true);
    }
  });

  test('networks, volumes and what is waited for are declared, files that are mounted exist', () => {
    for (const [name, part] of Object.entries(compose.services)) {
      const networks = Array.isArray(part.networks) ? part.networks : Object.keys(part.networks ?? {});
      for (const network of networks) expect(Object.keys(compose.networks), name).toContain(network);
      const waits = Array.isArray(part.depends_on) ? part.depends_on : Object.keys(part.depends_on ?? {});
      for (const other of waits) expect(Object.keys(compose.services), name).toContain(other);
      for (const volume of part.volumes) {
        const [source = ''] = interpolated(volume, {}).split(':');
        if (!source.startsWith('.')) expect(Object.keys(compose.volumes), name).toContain(source);
        else if (!/generated|certs/.test(source)) expect(existsSync(join(dirname(path), source)), source).toBe(true);
      }
    }
  });

  test('nothing but an edge, the gateway alone and stores for this machine has a port of the host', () => {
    for (const [name, { ports }] of Object.entries(compose.services)) {
      const open = ports.filter((port) => !port.startsWith('127.0.0.1:'));
      if (open.length > 0) expect(['caddy', 'traefik', 'haproxy', 'mcp-gateway']).toContain(name);
    }
  });
});

describe.each(files)('the gateway of %s', (path) => {
  const compose = readCompose(path);

  test('its settings are settings of the gateway, complete, and accepted', () => {
    const gateways = gatewaysOf(compose);
    expect(gateways.length).toBeGreaterThan(0);
    for (const [, part] of gateways) {
      const env = environmentOf(part);
      const folder = mkdtempSync(join(tmpdir(), 'gatehouse-compose-'));
      const text = compose.configs.gatehouse?.content ?? generated['gatehouse.yaml'];
      const config = loadConfig({
        env,
        cwd: folder,
        readFile: (file) => (file === env.GATEHOUSE_CONFIG ? text : undefined),
      });
      rmSync(folder, { recursive: true });
      expect(config.http.port).toBe(3000);
      const known = new Set([...documented, ...Object.keys(env).filter((name) => foreignToList.has(name))]);
      expect(Object.keys(env).filter((name) => !known.has(name))).toEqual([]);
      expect(config.warnings.filter((warning) => !warning.includes('placeholder'))).toEqual([]);
    }
  });

  test('it runs with a read-only root and no rights, and has time to finish', () => {
    for (const [name, part] of gatewaysOf(compose)) {
      if (path.includes('local-test')) continue;
      expect([name, part.read_only, part.cap_drop]).toEqual([name, true, ['ALL']]);
      expect(part.stop_grace_period).toBe('35s');
    }
  });

  test('what must be set is refused with a reason by Compose itself', () => {
    if (path.includes('local-test')) return;
    expect(requiredNames(read(path))).toContain(path.includes('traefik') ? 'GATEWAY_JWT_SECRET' : 'ENCRYPTION_KEY');
  });
});

const documented: ReadonlySet<string> = new Set(
  [...read('docs/reference/config.md').matchAll(/^\| `([A-Z_]+)`/gm)].flatMap(([, name]) => name ?? []),
);
/** Read, and not in the list: where Open WebUI is. */
const foreignToList = new Set(['OPEN_WEBUI_URL']);

test('production, basic and local test are there under their names [S3.29]', () => {
  const unified = readCompose('docker-compose.unified.yml');
  expect(Object.keys(unified.services)).toEqual(['caddy', 'api-gateway', 'open-webui', 'postgres', 'valkey']);
  expect(unified.networks.backend).toEqual({ name: 'proxy-server_backend' });
  const basic = readCompose('docker-compose.yml');
  expect(Object.keys(basic.services)).toEqual(['mcp-gateway']);
  const local = readCompose('docker-compose.local-test.yml');
  const env = environmentOf(local.services['mcp-gateway'] ?? expect.fail());
  expect(env.NODE_ENV).toBe('development');
  const { identity, organizations } = parse(local.configs.gatehouse?.content ?? '');
  expect([identity, organizations]).toEqual([[{ kind: 'local' }], [{ slug: 'acme', name: 'Acme' }]]);
});

test('Valkey keeps what it is told, with a password, and for this machine only [S1.3]', () => {
  for (const path of files) {
    const { valkey } = readCompose(path).services;
    if (!valkey) continue;
    expect(valkey.command).toMatch(/--requirepass \$\{REDIS_PASSWORD\} --appendonly yes --save 60 1 300 10 900 100/);
    for (const port of valkey.ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
});

describe('replicas', () => {
  const { services } = readCompose('deploy/replicas/compose.yml');

  test('three, each with an address of its own for the others, and the same keys and stores', () => {
    const replicas = gatewaysOf(readCompose('deploy/replicas/compose.yml'));
    expect(replicas.map(([name, { environment }]) => environment.REPLICA_URL === `http://${name}:3100`)).toEqual([
      ...[true, true, true],
    ]);
    expect(services.haproxy?.ports).toEqual(['80:8080', '443:8443']);
  });
});

const enabled = { ...given, MCP_MEMORY_ENABLED: 'true', MCP_TIME_ENABLED: 'true', MCP_TMUX_ENABLED: 'false' };
const generated = makeIncludes(enabled);

describe('the include list', () => {
  test('follows MCP_<NAME>_ENABLED: a program is a file, a builtin server a variable [S1.48]', () => {
    const include = (env: Readonly<Record<string, string>>) =>
      parse(makeIncludes({ ...given, ...env })['compose.yml']).include;
    expect(include({})).toEqual(['../compose.yml']);
    expect(include({ MCP_MEMORY_ENABLED: 'true' })).toEqual(['../compose.yml', '../servers/mcp-memory.yml']);
    expect(include({ MCP_MEMORY_ENABLED: 'false', MCP_TMUX_ENABLED: '1' })).toEqual([
      ...['../compose.yml', '../servers/mcp-tmux.yml'],
    ]);
    expect(() => makeIncludes({ ...given, MCP_MEMORY_ENABLED: 'yes' })).toThrow(/must be true or false/);
    expect(() => makeIncludes({ MCP_MEMORY_ENABLED: 'true' })).toThrow(/BASE_DOMAIN is required/);
    expect(generated['servers.env'].split('\n').slice(1)).toEqual(['MCP_TIME_ENABLED=true', '']);
    expect(parse(generated['gatehouse.yaml'])).toEqual({
      oauth: { resources: ['https://mcp-memory.mcp.example.com/mcp'] },
    });
  });

  test('every program has its file, at the version that the gateway installs', () => {
    const all = Object.fromEntries(namedServers.map(({ name }) => [variable(name), 'true']));
    for (const path of parse(makeIncludes({ ...given, ...all })['compose.yml']).include) {
      const file = normalize(join('deploy/traefik/generated', path));
      if (!programs.includes(file)) continue;
      const [[name = '', part] = []] = Object.entries(readCompose(file).services);
      const program = namedServers.find((server) => server.name === name)?.program;
      const args = typeof part?.build === 'object' ? part.build.args : undefined;
      if (program?.from === 'npm') expect(args).toMatchObject({ PACKAGE: program.name, VERSION: program.version });
      expect([part?.read_only, part?.cap_drop, part?.ports]).toEqual([true, ['ALL'], []]);
      expect(part?.environment.MCP_BRIDGE_TOKEN).toMatch(/^\$\{MCP_BRIDGE_TOKEN:\?/);
    }
    expect(programs.length).toBe(namedServers.filter(({ builtin }) => builtin === undefined).length);
  });
});

const variable = (name: string) => `MCP_${name.replace(/^mcp-/, '').replaceAll('-', '_').toUpperCase()}_ENABLED`;
