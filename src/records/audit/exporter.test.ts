import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { asOrgId, uuidv7 } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { callRecord } from '#kit/call-records.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openChain } from './chain.ts';
import { type AuditSink, openExporter } from './exporter.ts';
import { openAuditKeys } from './keys.ts';
import { openOtlpSink } from './otlp-sink.ts';
import { openSyslogSink } from './sinks.ts';

let t: TestDatabase;
const keys = openAuditKeys('a root secret of this test, long enough');
const acme = asOrgId('0197a000-0000-7000-8000-000000000001');
const [here, there] = ['0197a000-0000-7000-8000-00000000000a', '0197a000-0000-7000-8000-00000000000b'];

beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());
beforeEach(async () => {
  for (const table of ['audit_exports', 'audit', 'audit_checkpoints', 'audit_heads'])
    await t.sql(`delete from gateway.${table}`);
});

/** Steps over the wait after a failure. */
function movableClock() {
  let moved = 0;
  return {
    clock: {
      ...systemClock,
      now: () => systemClock.now() + moved,
      monotonic: () => systemClock.monotonic() + moved,
    },
    move: (ms: number) => {
      moved += ms;
    },
  };
}

async function insert(count: number): Promise<readonly string[]> {
  const records = Array.from({ length: count }, () =>
    callRecord({ at: Date.now(), id: uuidv7(Date.now()), org: acme, subject: 'ada' }),
  );
  const chain = openChain({ db: t.db, keys, clock: systemClock });
  await chain.insert(records);
  return records.map(({ id }) => id);
}

const portOf = (server: Server | TcpServer): number => {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
};
const idsIn = (body: string) => [
  ...body.matchAll(/\\"type\\":\\"row\\",\\"id\\":\\"([0-9a-f-]{36})|"type":"row","id":"([0-9a-f-]{36})/g),
];
const counted = (bodies: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const [, escaped, plain] of bodies.flatMap(idsIn)) {
    const id = escaped ?? plain ?? '';
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
};

test('a collector that goes away and comes back has everything, once but for what it did not confirm', async () => {
  const bodies: string[] = [];
  let mode: 'well' | 'broken' | 'silent' = 'well';
  const collector = createServer(async (req, res) => {
    const body = await text(req);
    if (mode === 'broken') return void res.destroy();
    bodies.push(body);
    // Has it, and says otherwise: it is sent a second time.
    if (mode === 'silent') return void res.writeHead(400).end();
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await once(collector.listen(0, '127.0.0.1'), 'listening');
  const { clock, move } = movableClock();
  const sink = openOtlpSink({ url: `http://127.0.0.1:${portOf(collector)}/v1/logs`, version: '0.0.0' });
  const exporter = openExporter({ db: t.db, clock, log: silentLog, holder: here, sinks: [sink] });
  try {
    const first = await insert(700);
    await exporter.run();
    expect([...counted(bodies).keys()].toSorted()).toEqual(first.toSorted());
    mode = 'broken';
    const away = await insert(600);
    const attempt = exporter.run();
    mode = 'silent';
    await attempt;
    mode = 'well';
    for (let turn = 0; turn < 3; turn++) {
      move(70_000);
      await exporter.run();
    }
    const counts = counted(bodies);
    expect([...counts.keys()].toSorted()).toEqual([...first, ...away].toSorted());
    for (const id of first) expect(counts.get(id)).toBe(1);
    expect(Math.max(...away.map((id) => counts.get(id) ?? 0))).toBeLessThanOrEqual(2);
    const sent = bodies.length;
    await exporter.run();
    expect(bodies.length).toBe(sent);
  } finally {
    collector.close();
  }
}, 60_000);

test('a syslog server that goes away and comes back has everything', async () => {
  const bodies: string[] = [];
  const open = async (port: number): Promise<TcpServer> => {
    const server = createTcpServer({ allowHalfOpen: true }, async (socket) => {
      bodies.push(await text(socket));
      socket.end();
    });
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  };
  let server = await open(0);
  const port = portOf(server);
  const { clock, move } = movableClock();
  const sinks = [openSyslogSink(`tcp://127.0.0.1:${port}`)];
  const exporter = openExporter({ db: t.db, clock, log: silentLog, holder: here, sinks });
  try {
    const first = await insert(20);
    await exporter.run();
    server.close();
    await once(server, 'close');
    const away = await insert(20);
    await exporter.run();
    expect(counted(bodies).size).toBe(first.length);
    server = await open(port);
    move(5000);
    await exporter.run();
    const counts = counted(bodies);
    expect([...counts.keys()].toSorted()).toEqual([...first, ...away].toSorted());
    expect([...counts.values()].every((count) => count === 1)).toBe(true);
  } finally {
    server.close();
  }
});

test('one replica sends at a time; another goes on where it was once it is gone for a minute', async () => {
  const { clock, move } = movableClock();
  const got: Record<string, string[]> = { [here]: [], [there]: [] };
  const exporterOf = (holder: string) => {
    const sink: AuditSink = {
      name: 'the one receiver',
      async send(items) {
        for (const item of items) if (item.type === 'row') got[holder]?.push(item.id);
      },
    };
    return openExporter({ db: t.db, clock, log: silentLog, holder, sinks: [sink] });
  };
  const [one, two] = [exporterOf(here), exporterOf(there)];
  const first = await insert(5);
  await one.run();
  const second = await insert(5);
  await two.run();
  expect(got[there]).toEqual([]);
  move(61_000);
  await two.run();
  await one.run();
  expect([got[here], got[there]]).toEqual([first, second]);
});
