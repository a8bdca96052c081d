/** What is compared. Each variant is one process (or nginx and its worker) between the generator and the same upstream. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createKey, startGateway } from '#kit/gateway.ts';
import { send } from '#kit/http-client.ts';
import { freePort } from '#kit/listen.ts';
import { startPostgres } from '#kit/postgres-server.ts';
import { descendants } from '#kit/process.ts';
import { issueOwnToken } from './own-token.ts';

export interface Variant {
  readonly name: string;
  /** What it does with a call, for the table's reader. */
  readonly does: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Processes whose time and memory are counted; none where there is nothing in between. */
  readonly pids: readonly number[];
  close(): Promise<void>;
}

export type Opener = (upstreamPort: number) => Promise<Variant | undefined>;

export const openers: Readonly<Record<string, Opener>> = {
  direct: async (port) => ({
    name: 'direct',
    does: 'nothing in between',
    url: `http://127.0.0.1:${port}/mcp`,
    headers: {},
    pids: [],
    close: async () => {},
  }),
  nginx: openNginx,
  relay: openRelay,
  gatehouse: (port) => openGatewayOnPostgres(port),
  'gatehouse-own-token': openGatewayWithTokens,
  'gatehouse-embedded': (port) =>
    openGateway(port, { name: 'Gatehouse, embedded', does: 'the same with the embedded database in the same process' }),
  supergateway: (port) => openSupergateway(port),
  'mcp-proxy': (port) => openMcpProxy(port),
};

/** Starts a script of this folder that prints `{"port": …}`. */
export async function startScript(name: string, ...args: string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${name} ended`)));
    child.stdout?.once('data', (line: Buffer) => resolve(JSON.parse(line.toString()).port));
  });
  return { child, port };
}

export function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 3000).unref();
  });
}

async function openRelay(upstreamPort: number): Promise<Variant> {
  const { child, port } = await startScript('relay.ts', String(upstreamPort));
  return {
    name: 'bare node:http relay',
    does: 'pipes bytes',
    url: `http://127.0.0.1:${port}/mcp`,
    headers: {},
    pids: [child.pid ?? 0],
    close: () => endChild(child),
  };
}

async function openNginx(upstreamPort: number): Promise<Variant | undefined> {
  try {
    execFileSync('nginx', ['-v'], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'));
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxConf(folder, port, upstreamPort));
  const child = spawn('nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], { stdio: 'ignore' });
  await untilListening(port);
  return {
    name: 'nginx',
    does: 'plain reverse proxy, one worker, keep-alive both sides',
    url: `http://127.0.0.1:${port}/mcp`,
    headers: {},
    pids: [child.pid ?? 0, ...descendants(child.pid ?? 0)],
    async close() {
      await endChild(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const nginxConf = (folder: string, port: number, upstreamPort: number) => `
daemon off; worker_processes 1; pid ${folder}/pid;
events { worker_connections 512; }
http {
  access_log off; keepalive_requests 100000000;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  upstream mcp { server 127.0.0.1:${upstreamPort}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://mcp; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;

type GatewayVariant = Pick<Variant, 'name' | 'does'> & {
  readonly env?: Readonly<Record<string, string>>;
  /** More of gatehouse.yaml. */
  readonly yaml?: string;
};

/** Everything on: key, role, enforced filter, credential, counted, audited. Only the limits are raised. */
async function openGateway(upstreamPort: number, { name, does, env, yaml = '' }: GatewayVariant): Promise<Variant> {
  const gateway = await startGateway({
    configYaml: gatewayYaml(upstreamPort) + yaml,
    env: { BENCH_CREDENTIAL: 'bench-credential-of-the-upstream', ...env },
    quiet: true,
  });
  const key = await createKey(gateway, 'bench', '--roles', 'caller');
  return {
    name,
    does,
    url: `${gateway.url}/bench/mcp/bench`,
    headers: { authorization: `Bearer ${key}` },
    pids: [gateway.pid],
    close: async () => void (await gateway.stop()),
  };
}

const rootSecret = 'a-root-secret-of-the-benchmark-only';

async function openGatewayOnPostgres(
  upstreamPort: number,
  given?: GatewayVariant,
): Promise<Variant & { readonly databaseUrl: string }> {
  const postgres = await startPostgres();
  const databaseUrl = postgres.url('postgres');
  const gateway = await openGateway(upstreamPort, {
    name: 'Gatehouse',
    does: 'key, role, enforced filter, credential, metrics, audit into PostgreSQL (a process of its own, not counted)',
    ...given,
    env: { DATABASE_URL: databaseUrl, ENCRYPTION_KEY: rootSecret, ...given?.env },
  });
  return {
    ...gateway,
    databaseUrl,
    async close() {
      await gateway.close();
      await postgres.stop();
    },
  };
}

async function openGatewayWithTokens(upstreamPort: number): Promise<Variant> {
  const issuer = 'https://gateway.example';
  const gateway = await openGatewayOnPostgres(upstreamPort, {
    name: 'Gatehouse, own token',
    does: 'the same for a person with a token that the built-in authorization server issued',
    env: { BASE_URL: issuer },
    // Nobody listens there: the token is made without a sign-in.
    yaml: "identity: [{ kind: oidc, mode: broker, issuer: 'http://127.0.0.1:9', clientId: nobody }]\n",
  });
  const { databaseUrl } = gateway;
  const token = await issueOwnToken({ databaseUrl, issuer, rootSecret, organization: 'bench', roles: ['caller'] });
  return { ...gateway, headers: { authorization: `Bearer ${token}` } };
}

const gatewayYaml = (upstreamPort: number) => `
organizations: [{ slug: bench, name: Bench }]
servers: [{ key: bench, transport: { kind: http, url: 'http://127.0.0.1:${upstreamPort}/mcp/{partition}/' } }]
collections:
  - organization: bench
    name: bench
    allowedRoles: [caller]
    bindings:
      - server: bench
        partition: p1
        credential: \${BENCH_CREDENTIAL}
        enforced: { retrieve: { filter: { team: red } } }
enablements: [{ organization: bench, server: bench, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
limits:
  principal: { requestsPerMinute: 100000000, concurrentCalls: 10000 }
  organization: { requestsPerMinute: 100000000, concurrentCalls: 10000 }
  upstream: { concurrentCalls: 64, queuedCalls: 1000 }
`;

const require = createRequire(import.meta.url);
const packageFile = (name: string, file: string) => join(dirname(require.resolve(`${name}/package.json`)), file);
const echo = join(import.meta.dirname, 'stdio-echo.ts');

async function openSupergateway(_upstreamPort: number): Promise<Variant> {
  const port = await freePort();
  const args = ['--stdio', `${process.execPath} ${echo}`, '--outputTransport', 'streamableHttp', '--stateful'];
  const child = spawn(
    process.execPath,
    [packageFile('supergateway', 'dist/index.js'), ...args, '--port', String(port), '--logLevel', 'none'],
    { stdio: 'ignore' },
  );
  return peer('supergateway', child, port);
}

async function openMcpProxy(_upstreamPort: number): Promise<Variant> {
  const port = await freePort();
  const args = ['--host', '127.0.0.1', '--port', String(port), '--server', 'stream'];
  const child = spawn(
    process.execPath,
    [packageFile('mcp-proxy', 'dist/bin/mcp-proxy.mjs'), ...args, '--', process.execPath, echo],
    { stdio: 'ignore' },
  );
  return peer('mcp-proxy', child, port);
}

/** A peer that needs a session first. Its stdio child is not counted. */
async function peer(name: string, child: ChildProcess, port: number): Promise<Variant> {
  const url = `http://127.0.0.1:${port}/mcp`;
  await untilListening(port);
  const answer = await send(url, {
    body: {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1.0.0' } },
    },
  });
  const session = answer.headers['mcp-session-id'];
  const headers: Record<string, string> = { 'mcp-protocol-version': '2025-06-18' };
  if (typeof session === 'string') headers['mcp-session-id'] = session;
  await send(url, { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
  return {
    name,
    does: 'wraps a stdio server (its child not counted), no authentication',
    url,
    headers,
    pids: [child.pid ?? 0],
    close: () => endChild(child),
  };
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Nothing listens on port ${port}`);
}
