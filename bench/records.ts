/**
 * What the self-contained parts of the warm path cost: `node bench/records.ts`. Microseconds per operation, CPU of this
 * process (user and system), median of rounds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { limiterAdapters } from '#adapters/limiter/index.ts';
import { systemClock } from '#core/clock.ts';
import { openConcurrency } from '#core/concurrency.ts';
import { asCredentialId, asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { openMetrics } from '#gateway/metrics.ts';
import { openLog } from '#http/log.ts';
import { callRecord } from '#kit/call-records.ts';
import { openApiKeys } from '#records/api-key.ts';
import { openCredentialOpener } from '#records/credential-opener.ts';
import type { DataKey, DataKeyStore } from '#records/data-keys.ts';
import { openKeyVerifier } from '#records/key-verifier.ts';
import { openSpool } from '#records/spool.ts';
import { openVault } from '#records/vault.ts';

const rounds = 9;

async function measure(title: string, count: number, work: (count: number) => unknown): Promise<void> {
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    await work(count);
    const { user, system } = process.cpuUsage(before);
    figures.push((user + system) / count);
  }
  const median = figures.toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
  console.log(`${title.padEnd(64)} ${median.toFixed(2).padStart(8)} µs`);
}

async function spools(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const noop = (): void => undefined;
  for (const perTurn of [1, 4, 16, 64]) {
    const spool = openSpool({
      directory,
      clock: systemClock,
      log: silentLog,
      maxBytes: 2 ** 31,
      maxAgeMs: 2 ** 31,
      insert: async () => undefined,
    });
    const records = Array.from({ length: 1024 }, () => callRecord());
    await measure(`spool: record to disk and handed to the database, ${perTurn} a turn`, 20_000, async (count) => {
      for (let i = 0; i < count; i += perTurn) {
        for (let n = 0; n < perTurn; n++) spool.record(records[(i + n) & 1023] ?? callRecord(), noop);
        await nextTurn();
      }
    });
    await spool.flush(10_000);
    await spool.close();
  }
  rmSync(directory, { recursive: true });
}

async function caches(): Promise<void> {
  const keys = openApiKeys(new Secret('a root secret of thirty-two characters or more'));
  const { id, text, digest } = keys.mint('live', Date.now());
  const presented = text.reveal();
  const unbounded = { endpoints: undefined, expiresAt: undefined, revokedAt: undefined };
  const row = { id, digest, org: asOrgId('org'), name: 'bench', roles: ['member'], ...unbounded };
  const verifier = openKeyVerifier({
    keys,
    clock: systemClock,
    feed: { subscribe: () => () => undefined },
    findKey: async () => row,
    touch: async () => undefined,
  });
  await verifier.verify(presented);
  await measure('API key, warm', 100_000, (count) => {
    for (let i = 0; i < count; i++) verifier.find(presented);
  });
  await verifier.close();

  const opener = openCredentialOpener({
    clock: systemClock,
    vault: { open: async () => new Secret('x') },
    findSealed: async () => ({ sealed: '', version: 1, place: { table: '', column: '', rowId: '' } }),
  });
  const ref = {
    id: asCredentialId(id),
    org: asOrgId(id),
    version: 1,
    header: { name: 'authorization', template: '{}' },
  };
  await opener.open(ref);
  await measure('credential, warm', 100_000, (count) => {
    for (let i = 0; i < count; i++) opener.find(ref);
  });
}

async function limits(): Promise<void> {
  const limiter = await limiterAdapters.open(limiterAdapters.config.parse({ kind: 'memory' }), { log: silentLog });
  await measure('rate limit in memory', 100_000, async (count) => {
    for (let i = 0; i < count; i++) await limiter.take(`user ${i & 255}`, { points: 600, windowSeconds: 60 });
  });
  await limiter.close();
  const slots = openConcurrency();
  await measure('concurrency slot, taken and given back', 100_000, (count) => {
    for (let i = 0; i < count; i++) slots.acquire(`user ${i & 255}`, 20)?.();
  });
}

async function observers(): Promise<void> {
  const metrics = openMetrics();
  const record = callRecord();
  await measure('metrics of one call', 100_000, (count) => {
    for (let i = 0; i < count; i++) metrics.observe(record, { endpointKind: 'collection', era: 'legacy' });
  });
  const file = join(tmpdir(), `bench-${process.pid}.log`);
  for (const buffered of [true, false]) {
    const log = openLog({ level: 'info', format: 'json', destination: file, buffered });
    const line = { method: 'POST', path: '/acme/mcp/docs', status: 200, durationMs: 1.234 };
    await measure(`request line, ${buffered ? 'buffered' : 'one write each'}`, 20_000, (count) => {
      for (let i = 0; i < count; i++) log.request(line, { requestId: record.requestId, org: record.org });
    });
    await log.close();
  }
  rmSync(file);
}

async function seals(): Promise<void> {
  const rows: DataKey[] = [];
  const deps = {
    rootSecret: new Secret('a root secret of thirty-two characters or more'),
    clock: systemClock,
    log: silentLog,
  };
  const kms = await kmsAdapters.open(kmsAdapters.config.parse({ kind: 'environment' }), deps);
  const store: DataKeyStore = {
    listDataKeys: async () => rows,
    insertDataKey: async (key) => rows.push(key) > 0,
    updateDataKey: async () => undefined,
    removeDataKeys: async () => undefined,
  };
  const vault = openVault({ kms, store, clock: systemClock });
  const [org, place] = [asOrgId('org'), { table: 'credentials', column: 'sealed', rowId: '1' }];
  const sealed = await vault.seal(org, place, 'x'.repeat(200));
  await measure('seal 200 B', 10_000, async (count) => {
    for (let i = 0; i < count; i++) await vault.seal(org, place, 'x'.repeat(200));
  });
  await measure('open 200 B', 10_000, async (count) => {
    for (let i = 0; i < count; i++) await vault.open(org, place, sealed);
  });
}

await spools();
await caches();
await limits();
await observers();
await seals();
