import { type ChildProcessByStdio, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as after, setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { callRecord } from '#kit/call-records.ts';
import type { CallRecord } from './call-record.ts';
import { openSpool, type Spool } from './spool.ts';
import type { SpoolOptions } from './spool-options.ts';
import { encodeLine, SegmentWriter } from './spool-segment.ts';

let directory = '';
let nowMs = 1_800_000_000_000;
let opened: Spool[] = [];
const clock = { now: () => nowMs, monotonic: () => nowMs };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'spool-'));
});
afterEach(async () => {
  await Promise.all(opened.map((spool) => spool.close()));
  opened = [];
  rmSync(directory, { recursive: true, force: true });
});

/** A spool whose background work runs only in `flush`, and a database that can be switched off. */
function setUp(options: Partial<SpoolOptions> = {}) {
  const database = { rows: [] as CallRecord[], batches: 0, away: false };
  const spool = openSpool({
    directory,
    clock,
    log: silentLog,
    flushEveryMs: 3_600_000,
    async insert(records) {
      if (database.away) throw new Error('connection refused');
      database.batches += 1;
      database.rows.push(...records);
    },
    ...options,
  });
  opened.push(spool);
  return { spool, database, ids: () => database.rows.map((row) => row.id) };
}

const put = (spool: Spool, record: CallRecord = callRecord()): Promise<string> =>
  new Promise((resolve) => spool.record(record, () => resolve(record.id)));
const segments = (): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jsonl'));
const written = (): string =>
  segments()
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('');

describe('the spool', () => {
  test('a record is on disk before its caller is told, and only then [I6]', async () => {
    const { spool } = setUp();
    const record = callRecord();
    let told = '';
    spool.record(record, () => {
      told = written();
    });
    expect(told).toBe('');
    await nextTurn();
    expect(told).toContain(record.id);
  });

  test('records of one turn share one write and are told in order', async () => {
    let writes = 0;
    const { spool } = setUp({
      openSegment: (path, sync) => {
        const writer = new SegmentWriter(path, sync);
        const append = writer.append.bind(writer);
        return Object.assign(writer, {
          append(bytes: Buffer) {
            writes += 1;
            append(bytes);
          },
        });
      },
    });
    const order: number[] = [];
    for (let i = 0; i < 50; i++) spool.record(callRecord(), () => order.push(i));
    await nextTurn();
    expect(writes).toBe(1);
    expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  test('a caller whose end throws does not keep the others waiting', async () => {
    const { spool } = setUp();
    spool.record(callRecord(), () => {
      throw new Error('socket gone');
    });
    await put(spool);
  });

  test('flushing inserts everything once, in batches of at most 500, and leaves no segment', async () => {
    const { spool, database, ids } = setUp();
    const put1200 = await Promise.all(Array.from({ length: 1200 }, () => put(spool)));
    expect(spool.bytes).toBeGreaterThan(0);
    await spool.flush(5000);
    expect(ids()).toEqual(put1200);
    expect(database.batches).toBe(3);
    expect([spool.bytes, segments()]).toEqual([0, []]);
  });

  test('the second record of a stream replaces the first one within a batch', async () => {
    const { spool, database } = setUp();
    const first = callRecord({ open: true });
    await put(spool, first);
    await put(spool, { ...first, open: false, status: 502 });
    await spool.flush(5000);
    expect(database.rows).toMatchObject([{ id: first.id, open: false, status: 502 }]);
  });

  test('while the database is away records wait on disk and calls go on; afterwards nothing is lost', async () => {
    const { spool, database, ids } = setUp({ segmentBytes: 20_000 });
    database.away = true;
    const early = await Promise.all(Array.from({ length: 300 }, () => put(spool)));
    await spool.flush(0);
    expect([spool.accepting, database.rows.length]).toEqual([true, 0]);
    const late = await put(spool);
    database.away = false;
    await spool.flush(5000);
    expect(ids()).toEqual([...early, late]);
  });

  test('more than memory may hold is read back from the files', async () => {
    const { spool, database, ids } = setUp();
    database.away = true;
    const all: string[] = [];
    for (let i = 0; i < 25; i++) all.push(...(await Promise.all(Array.from({ length: 1000 }, () => put(spool)))));
    database.away = false;
    await spool.flush(20_000);
    expect(new Set(ids()).size).toBe(25_000);
    expect(ids().toSorted()).toEqual(all.toSorted());
  });

  test('what a process left is replayed by the next one, as it was written', async () => {
    const before = setUp();
    before.database.away = true;
    const odd = callRecord({ name: 'a\u2028b\nc\r\ud800 ключ 🔑', userAgent: '{"level":50}\n{}' });
    await put(before.spool, odd);
    await before.spool.close();
    const next = setUp();
    await next.spool.flush(5000);
    expect(next.database.rows).toEqual([JSON.parse(JSON.stringify(odd))]);
    expect(segments()).toEqual([]);
  });

  test('a half-written last line is left out and all before it are kept', async () => {
    const before = setUp();
    before.database.away = true;
    const id = await put(before.spool);
    await before.spool.close();
    const [name = ''] = segments();
    const whole = readFileSync(join(directory, name), 'utf8');
    for (const length of [1, 5, whole.length - 1])
      appendFileSync(join(directory, name), `${whole.slice(0, length)}\n`.slice(0, length));
    const next = setUp();
    await next.spool.flush(5000);
    expect(next.ids()).toEqual([id]);
  });

  test('a line that does not have its length is left out even if it reads well', async () => {
    const left = join(directory, 'left');
    mkdirSync(left);
    const json = JSON.stringify(callRecord());
    const whole = callRecord();
    writeFileSync(join(left, '0000000001.jsonl'), `${json.length + 9} ${json}\n${encodeLine(whole)}`);
    const { spool, ids } = setUp();
    await spool.flush(5000);
    expect(ids()).toEqual([whole.id]);
  });

  test('the files of a living process are not touched by another', async () => {
    const one = setUp();
    const id = await put(one.spool);
    const two = setUp();
    await two.spool.flush(5000);
    expect(two.ids()).toEqual([]);
    await one.spool.flush(5000);
    expect(one.ids()).toEqual([id]);
  });

  test('the files of a process on another machine are taken over once it is silent for a minute', async () => {
    const one = setUp();
    one.database.away = true;
    const id = await put(one.spool);
    await one.spool.close();
    const owner = join(directory, readdirSync(directory)[0] ?? '', 'owner.json');
    writeFileSync(owner, JSON.stringify({ machine: 'elsewhere', pid: 1, started: '1' }));
    const two = setUp({ flushEveryMs: 1 });
    const look = async (): Promise<void> => {
      nowMs += 31_000;
      for (let i = 0; i < 5; i++) await after(2);
    };
    await look();
    expect(two.ids()).toEqual([]);
    await look();
    await look();
    await two.spool.flush(5000);
    expect(two.ids()).toEqual([id]);
  });

  test('a process that was stopped so long that its files were taken over goes on in new ones', async () => {
    const { spool, ids } = setUp();
    await put(spool);
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
    nowMs += 120_000;
    const id = await put(spool);
    expect(written()).toContain(id);
    await spool.flush(5000);
    expect(ids()).toEqual([id]);
  });

  test('a full spool that is required refuses calls until there is room, and still takes those under way [R17]', async () => {
    const { spool, database, ids } = setUp({ maxBytes: 2000 });
    database.away = true;
    const all = await Promise.all(Array.from({ length: 10 }, () => put(spool)));
    expect(spool.accepting).toBe(false);
    all.push(await put(spool));
    database.away = false;
    await spool.flush(5000);
    expect([spool.accepting, ids()]).toEqual([true, all]);
  });

  test('a record that waits for more than ten minutes makes the spool full [R17]', async () => {
    const { spool, database } = setUp({ flushEveryMs: 1 });
    database.away = true;
    await put(spool);
    nowMs += 600_001;
    await expect.poll(() => spool.accepting).toBe(false);
    database.away = false;
    await spool.flush(5000);
    expect(spool.accepting).toBe(true);
  });

  test('a full spool at best effort drops allowed calls, keeps refusals and leaves the exact gap in the trail [R17]', async () => {
    const { spool, database, ids } = setUp({ maxBytes: 4000, whenFull: 'best_effort' });
    database.away = true;
    const kept = await Promise.all(Array.from({ length: 10 }, () => put(spool)));
    await Promise.all(Array.from({ length: 7 }, () => put(spool)));
    expect([spool.accepting, spool.dropped]).toEqual([true, 7]);
    database.away = false;
    await spool.flush(5000);
    const last = await put(spool);
    await spool.flush(5000);
    expect(ids().slice(0, 11)).toEqual([...kept, last]);
    expect(database.rows.slice(11)).toMatchObject([{ name: '7 call records dropped', reason: 'audit_full' }]);
  });

  test('a full spool at best effort still takes refusals, and a gap is recorded at the latest when it is closed [R17]', async () => {
    const { spool, database } = setUp({
      maxBytes: 9 * JSON.stringify(callRecord()).length,
      whenFull: 'best_effort',
    });
    database.away = true;
    await Promise.all(Array.from({ length: 9 }, () => put(spool)));
    const refusal = callRecord({ decision: 'deny', reason: 'not_member', status: 403 });
    await Promise.all([put(spool), put(spool, refusal)]);
    await spool.close();
    const next = setUp();
    await next.spool.flush(5000);
    expect(next.ids()).toContain(refusal.id);
    expect(next.database.rows.at(-1)).toMatchObject({ name: '1 call records dropped' });
    expect(next.database.rows).toHaveLength(11);
  });

  test('on a failing disk callers wait until the database itself has their records [R17]', async () => {
    const { spool, database, ids } = setUp({
      openSegment: () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      },
    });
    database.away = true;
    let told = false;
    const id = put(spool).finally(() => {
      told = true;
    });
    await nextTurn();
    await nextTurn();
    expect([told, spool.accepting]).toEqual([false, false]);
    database.away = false;
    expect(ids()).toEqual([]);
    await id;
    expect(ids()).toEqual([await id]);
    expect(spool.accepting).toBe(true);
  });

  test('a half-successful write on a full disk neither loses nor tears other records [R17]', async () => {
    let fails = true;
    const { spool, database } = setUp({
      openSegment: (path, sync) => {
        const writer = new SegmentWriter(path, sync);
        const append = writer.append.bind(writer);
        return Object.assign(writer, {
          append(bytes: Buffer) {
            if (!fails) return append(bytes);
            fails = false;
            appendFileSync(path, bytes.subarray(0, 100));
            throw new Error('no space left on device');
          },
        });
      },
    });
    database.away = true;
    const ids = await Promise.all([put(spool), put(spool)]);
    await spool.close();
    const next = setUp();
    await next.spool.flush(5000);
    expect(next.ids()).toEqual(ids);
  });

  test('a record that the database refuses is kept aside and holds up nothing', async () => {
    const rows: string[] = [];
    const { spool } = setUp({
      async insert(records) {
        const bad = records.some((record) => record.name?.includes('\0'));
        if (bad) throw new Error('statement failed', { cause: Object.assign(new Error('NUL'), { code: '22021' }) });
        rows.push(...records.map((record) => record.id));
      },
    });
    const good = await Promise.all(Array.from({ length: 20 }, () => put(spool)));
    const bad = await put(spool, callRecord({ name: 'tool\0' }));
    good.push(await put(spool));
    await spool.flush(5000);
    expect([rows, spool.refused, spool.bytes]).toEqual([good, 1, 0]);
    expect(readFileSync(join(directory, 'refused.jsonl'), 'utf8')).toContain(bad);
  });

  test('flush gives up at its deadline and the records stay', async () => {
    const { spool, database } = setUp({ clock: { now: Date.now, monotonic: () => performance.now() } });
    database.away = true;
    await put(spool);
    const from = performance.now();
    await spool.flush(150);
    expect(performance.now() - from).toBeLessThan(2000);
    expect(spool.bytes).toBeGreaterThan(0);
  });

  test('whatever moment a process is killed at, no record that it acknowledged is lost [I6]', {
    timeout: 60_000,
  }, async () => {
    const [spoolDirectory, insertedFile] = [join(directory, 'spool'), join(directory, 'inserted')];
    const acknowledged: string[] = [];
    for (let round = 0; round < 20; round++) {
      const child = spawn(process.execPath, ['test/kit/spool-writer.ts', spoolDirectory, insertedFile], piped);
      acknowledged.push(...(await acknowledgedUntilKilled(child)));
    }
    const { spool, ids } = setUp({ directory: spoolDirectory });
    await spool.flush(10_000);
    const saved = new Set(ids().concat(readFileSync(insertedFile, 'utf8').split('\n')));
    expect(acknowledged.length).toBeGreaterThan(200);
    expect(acknowledged.filter((id) => !saved.has(id))).toEqual([]);
    expect(spool.bytes).toBe(0);
  });

  test.runIf(process.platform === 'linux')(
    'where the system cuts writes short no acknowledged record is lost [R17]',
    async () => {
      const spoolDirectory = join(directory, 'spool');
      // No file may pass 16 KiB: the write that does is cut short, as on a full disk. The database, a folder, is away.
      const script = `trap '' XFSZ; ulimit -f 16; exec "$0" "$@"`;
      const writer = [process.execPath, 'test/kit/spool-writer.ts', spoolDirectory, directory, '1000000'];
      const acknowledged = await acknowledgedUntilKilled(spawn('bash', ['-c', script, ...writer], piped), 400);
      const segmentsLeft = segments().length;
      const { spool, ids } = setUp({ directory: spoolDirectory });
      await spool.flush(10_000);
      expect(segmentsLeft).toBeGreaterThan(1);
      expect(acknowledged.length).toBeGreaterThan(20);
      expect(acknowledged.filter((id) => !ids().includes(id))).toEqual([]);
    },
  );
});

const piped: SpawnOptions & { stdio: ['ignore', 'pipe', 'inherit'] } = { stdio: ['ignore', 'pipe', 'inherit'] };

/** Kills the writer at a random moment, at the latest `lifeMs` after its first acknowledgement. */
async function acknowledgedUntilKilled(
  child: ChildProcessByStdio<null, Readable, null>,
  lifeMs = Math.random() * 60,
): Promise<string[]> {
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  await once(child.stdout, 'data');
  await after(lifeMs);
  child.kill('SIGKILL');
  await once(child, 'close');
  return output.split('\n').filter((line) => line.length === 36);
}
