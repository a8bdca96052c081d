/** `doctor`: what would keep a gateway from working, before it does; or how any MCP address answers. */
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findRunning } from '#admin/gateway-file.ts';
import { secretName } from '#admin/transport-nouns.ts';
import { type Config, loadConfig } from '#config/load.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { looksSecret } from '#core/looks-secret.ts';
import { paintFor } from './color.ts';
import { parseUrl } from './connection.ts';
import { probeAddress } from './doctor-probe.ts';
import type { Io } from './io.ts';
import { printable, printJson } from './output.ts';

export interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly said: string;
}

/** Throws GatehouseError `setting` (exit 1) when something failed. */
export async function doctor(io: Io, url: string | undefined, options: { readonly json?: boolean }): Promise<void> {
  const about = url === undefined ? await examine(io) : { findings: await probeAddress(io, parseUrl(url, 'address')) };
  if (options.json) printJson(io, about);
  else print(io, about);
  const failed = about.findings.filter(({ state }) => state === 'failed');
  if (failed.length > 0)
    throw new GatehouseError('setting', { message: `Not well: ${failed.map(({ check }) => check).join(', ')}` });
}

interface Examined {
  readonly findings: readonly Finding[];
  /** Effective, secrets hidden; undefined: it could not be read. */
  readonly configuration?: unknown;
}

async function examine(io: Io): Promise<Examined> {
  const [major = 0] = process.versions.node.split('.').map(Number);
  const node: Finding = {
    check: 'node',
    state: major >= 24 ? 'ok' : 'failed',
    said: `Node ${process.versions.node}${major >= 24 ? '' : ': 24 or newer is needed'}`,
  };
  let config: Config;
  try {
    config = loadConfig(io);
  } catch (thrown) {
    return { findings: [node, { check: 'settings', state: 'failed', said: asGatehouseError(thrown).message }] };
  }
  const warnings = config.warnings.map((said): Finding => ({ check: 'settings', state: 'warning', said }));
  const settings: Finding = { check: 'settings', state: 'ok', said: config.file ?? 'no gatehouse.yaml' };
  const findings = [
    ...[node, settings, ...warnings],
    await checkDisk(config),
    await checkDatabase(io, config),
    ...(await checkRedis(config)),
    ...(await checkSignIn(io, config)),
    ...(await checkServers(io, config)),
    await checkPublicUrl(io, config),
    ...(await checkCertificate(config)),
  ];
  return { findings, configuration: effective(config) };
}

/** As JSON prints it, secrets are `[secret]`; what is behind a function is named only. */
function effective(config: Config): unknown {
  // What comes with the product is no setting: docs/reference/catalog.md has it.
  const { identity, secrets, settledCatalog: _builtin, ...rest } = config;
  const { kms: _kms, previousKms: _previous, ...keys } = secrets;
  const shown = { ...rest, secrets: keys, identity: identity.map(({ kind }) => ({ kind })) };
  const hide = (name: string, value: unknown) =>
    typeof value === 'string' && (looksSecret(value) || secretName.test(name) || name === 'authorization')
      ? '[secret]'
      : value;
  return JSON.parse(JSON.stringify(shown, hide));
}

async function attempt(check: string, work: () => Promise<string | Finding>): Promise<Finding> {
  try {
    const done = await work();
    return typeof done === 'string' ? { check, state: 'ok', said: done } : done;
  } catch (thrown) {
    const said = thrown instanceof GatehouseError || thrown instanceof Error ? thrown.message : 'it does not answer';
    return { check, state: 'failed', said };
  }
}

const LEAST_BYTES = 512 * 1024 * 1024;

const checkDisk = ({ dataDir }: Config) =>
  attempt('disk', async () => {
    const { bavail, bsize } = await statfs(dataDir).catch(() => statfs(dirname(dataDir)));
    const free = bavail * bsize;
    const said = `${Math.round(free / 1024 / 1024)} MiB free for ${dataDir}`;
    return { check: 'disk', state: free < LEAST_BYTES ? 'warning' : 'ok', said };
  });

const checkDatabase = (io: Io, config: Config) =>
  attempt('database', async () => {
    const running = await findRunning(config.dataDir);
    if (running && config.database.url === undefined) {
      const answer = await io.fetch(`${running.url}/ready`, { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (answer.ok) return 'the running gateway says that it is ready';
      throw new Error(`the running gateway is not ready (status ${answer.status})`);
    }
    const { openRecords } = await import('#app/open-records.ts');
    const { silentLog } = await import('#core/log.ts');
    const { records, close } = await openRecords(config, silentLog);
    try {
      const { length } = await records.listOrganizations();
      return `it opens, its schema is this version's; ${length} organizations`;
    } finally {
      await close();
    }
  });

const PATIENCE_MS = 5000;

/** Asked as the gateway asks: with its password and TLS, if any. */
async function checkRedis({ redis }: Config): Promise<readonly Finding[]> {
  const url = redis.url?.reveal();
  if (url === undefined) return [];
  const { hostname } = new URL(url);
  const { pingRedis } = await import('#app/limiter.ts');
  const asked = attempt('redis', async () => {
    const { ms, version } = await pingRedis(url, PATIENCE_MS);
    return `${hostname} answers in ${Math.ceil(ms)} ms${version === undefined ? '' : `; version ${version}`}`;
  });
  return [await asked];
}

const MOST_SKEW_MS = 30_000;

/** Its discovery document, and by the date of the answer how far apart the clocks are. */
async function checkSignIn(io: Io, { identity }: Config): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const entry of identity) {
    const settings = entry.read();
    const issuer = 'issuer' in settings && typeof settings.issuer === 'string' ? settings.issuer : undefined;
    const check = `identity provider ${entry.kind}`;
    if (issuer === undefined) {
      found.push({ check, state: 'skipped', said: 'it is asked when somebody signs in' });
      continue;
    }
    const answered = attempt(check, async () => {
      const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
      const answer = await io.fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
      const skew = Math.abs(Date.parse(answer.headers.get('date') ?? '') - Date.now());
      if (skew > MOST_SKEW_MS)
        return { check, state: 'warning', said: `its clock is ${Math.round(skew / 1000)} s from this one` };
      return `${url} answers, and clocks agree`;
    });
    found.push(await answered);
  }
  return found;
}

/** One that answers with an error answers all the same. */
async function checkServers(io: Io, { servers }: Config): Promise<readonly Finding[]> {
  const checks = servers.flatMap(({ key, transport }) => {
    if (transport?.kind !== 'http' && transport?.kind !== 'sse') return [];
    const { url } = transport;
    if (url.includes('{')) return [];
    return [
      attempt(`server ${key}`, async () => {
        const { status } = await io.fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: 'manual' });
        if (status >= 500) throw new Error(`it answers ${status}`);
        return `it answers (${status})`;
      }),
    ];
  });
  return Promise.all(checks);
}

async function checkPublicUrl(io: Io, { http, baseUrlGiven }: Config): Promise<Finding> {
  const check = 'public URL';
  if (!baseUrlGiven) return { check, state: 'skipped', said: 'BASE_URL is not set: this machine only' };
  const found = await attempt(check, async () => {
    const answer = await io.fetch(`${http.baseUrl}/health`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`${http.baseUrl}/health answers ${answer.status}`);
    return `${http.baseUrl} leads to a gateway`;
  });
  // Nothing may run yet.
  return found.state === 'failed' ? { ...found, state: 'warning' } : found;
}

async function checkCertificate({ http, baseUrlGiven }: Config): Promise<readonly Finding[]> {
  if (!baseUrlGiven || !http.baseUrl.startsWith('https:')) return [];
  const { judge, lookAt } = await import('./certificate.ts');
  const found = await attempt('certificate', async () => judge(await lookAt(new URL(http.baseUrl), Date.now())));
  // Nothing may run yet.
  return [
    found.state === 'failed' && found.said.includes('shows no certificate') ? { ...found, state: 'warning' } : found,
  ];
}

const marks = { ok: '✓', warning: '!', failed: '✗', skipped: '-' } as const;
const colors = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' } as const;

function print(io: Io, { findings, configuration }: Examined): void {
  const paint = paintFor(io);
  for (const { check, state, said } of findings)
    io.out(`${paint(colors[state], marks[state])} ${check}: ${printable(said)}\n`);
  if (configuration !== undefined)
    io.out(`\nEffective configuration (secrets hidden):\n${JSON.stringify(configuration, null, 2)}\n`);
}
