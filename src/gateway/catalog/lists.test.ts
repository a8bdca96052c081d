import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { type Log, silentLog } from '#core/log.ts';
import type { Asking } from '#gateway/engine/asking.ts';
import { reachOf } from '#gateway/rights/reach.ts';
import { openTestPeers, type TestPeers } from '#kit/peers.ts';
import {
  json,
  type RecordedRequest,
  type RecordingUpstream,
  result,
  type Script,
  startRecordingUpstream,
} from '#kit/recording-upstream.ts';
import { noHoldings } from '#records/holdings.ts';
import type { Endpoint } from '#records/snapshot.ts';
import { plainListing } from '#records/snapshot.ts';
import { type ListLimits, listLimits } from './items.ts';
import { type Lists, openLists } from './lists.ts';
import { mergeList } from './merge.ts';
import { textOf } from './ready.ts';
import { viewOf } from './view.ts';

let upstream: RecordingUpstream;
let subject: TestPeers;
let lists: Lists;
let warnings: object[];
const log: Log = { ...silentLog, warn: (fields) => warnings.push(fields) };

const open = (limits: ListLimits = listLimits) => {
  const { peers, time } = subject;
  lists = openLists({ peers, log, limits, clock: time.clock, random: () => 0, patienceMs: 400, firstPatienceMs: 2000 });
};
beforeEach(async () => {
  warnings = [];
  upstream = await startRecordingUpstream();
  subject = openTestPeers(upstream.url);
  open();
});
afterEach(async () => {
  lists.close();
  await subject.close();
  await upstream.close();
});

const hello = {
  resultType: 'complete',
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {} },
  ttlMs: 0,
  cacheScope: 'private',
};
/** A modern server whose lists are what `answer` says. */
const serve =
  (answer: (request: RecordedRequest) => object): Script =>
  (request, res) =>
    result(
      request.rpc.method === 'server/discover'
        ? hello
        : { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...answer(request) },
    )(request, res);
const listed = () => upstream.requests.filter(({ rpc }) => rpc.method === 'tools/list');
const tool = (name: unknown, more: object = {}) => ({ name, inputSchema: { type: 'object' }, ...more });

/** As `user` of the organization sees it, through several bindings of the one server. */
function askingOf({ user = 'alice', organization = 1, bindings = 1, trusted = false } = {}): Asking {
  const routes = Array.from({ length: bindings }, (_, i) =>
    subject.route({ user, organization, binding: i + 1, server: { trusted, key: `s${i + 1}` } }),
  );
  const [route] = routes;
  if (!route) throw new Error('no binding');
  const endpoint: Endpoint = {
    id: 'e',
    name: 'e',
    kind: 'collection',
    allowedRoles: '*',
    grants: new Map(),
    bindings: routes.map(({ binding }) => binding),
    listing: plainListing,
  };
  const { principal } = route;
  // Only what lists are made from.
  const asking = {
    call: { id: 'r', headers: {} },
    organization: route.organization,
    principal,
    reach: reachOf(route.organization, {
      ...{ caller: { principal, provider: undefined }, roles: [], endpoints: undefined, holdings: noHoldings },
    }),
    view: viewOf(endpoint),
  };
  return asking as unknown as Asking;
}

const list = (asking: Asking, params: JsonObject = {}, pageBytes?: number) =>
  mergeList(asking, { kind: 'tools', params, ...(pageBytes === undefined ? {} : { pageBytes }) }, lists);
const namesOf = ({ tools }: JsonObject) =>
  Array.isArray(tools) ? tools.map((one: JsonObject) => String(one.name)) : [];

describe('lists of careless and hostile servers', () => {
  const good = [tool('a'), tool('z')];
  const hostile: readonly (readonly [string, readonly unknown[], readonly string[]])[] = [
    ['the same name twice', [tool('b', { title: 'first' }), tool('b', { title: 'second' })], ['b']],
    [
      'names that are no names',
      [
        tool(''),
        tool(7),
        tool(null),
        tool(['x']),
        tool('x\u0000y'),
        tool('x\ny'),
        tool('\u009bx'),
        tool('n'.repeat(5000)),
      ],
      [],
    ],
    [
      'names of every object',
      [tool('__proto__'), tool('constructor'), tool('toString')],
      ['__proto__', 'constructor', 'toString'],
    ],
    ['things that are no tools', [null, 7, 'x', [], [[]], true], []],
    [
      'members of the wrong type',
      [
        tool('c', {
          description: 7,
          title: [],
          annotations: 'x',
          icons: [{}],
          _meta: 3,
          outputSchema: 'no',
          execution: 1,
        }),
      ],
      ['c'],
    ],
    [
      'no schema, or none of an object',
      [{ name: 'd' }, tool('e', { inputSchema: 'x' }), tool('f', { inputSchema: { type: 'string' } })],
      ['d', 'e', 'f'],
    ],
    ['a schema of a hundred levels', [tool('deep', { inputSchema: nested(100) })], []],
    [
      'a tool of a megabyte',
      [tool('fat', { inputSchema: { type: 'object', description: 'x'.repeat(1_000_000) } })],
      [],
    ],
  ];
  test.each(hostile)('%s: the rest is shown [F6]', async (_what, items, shown) => {
    upstream.script(serve(() => ({ tools: [...items, ...good] })));
    const answer = await list(askingOf());
    expect(namesOf(answer)).toEqual([...shown, 'a', 'z'].sort());
    for (const one of answer.tools as unknown as JsonObject[]) {
      expect(one.inputSchema).toMatchObject({ type: 'object' });
      for (const member of ['description', 'title']) expect(['string', 'undefined']).toContain(typeof one[member]);
    }
    expect(
      JSON.parse([textOf(answer, { method: 'tools/list', version: '2025-06-18' })].flat().join('')).tools,
    ).toHaveLength(shown.length + 2);
  });

  test('`__proto__` in a definition changes nothing but itself', async () => {
    const text = `{"jsonrpc":"2.0","id":0,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"a","__proto__":{"polluted":true},"inputSchema":{"type":"object","properties":{"__proto__":{"type":"string"}}}}]}}`;
    upstream.script((request, res) =>
      request.rpc.method === 'server/discover'
        ? result(hello)(request, res)
        : json(text.replace('"id":0', `"id":${request.rpc.id}`))(request, res),
    );
    expect(namesOf(await list(askingOf()))).toEqual(['a']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  test('a description of ten megabytes is an error of that server alone; one of a megabyte is cut [F6]', async () => {
    upstream.script(serve(() => ({ tools: [tool('a', { description: 'x'.repeat(1_000_000) })] })));
    const [one] = (await list(askingOf())).tools as unknown as JsonObject[];
    expect(String(one?.description)).toHaveLength(listLimits.descriptionCharacters);
    upstream.script(serve(() => ({ tools: [tool('a', { description: 'x'.repeat(11_000_000) })] })));
    await subject.time.advance(1001);
    await list(askingOf());
    await expect.poll(async () => (await list(askingOf()))._meta).toEqual({ 'io.gatehouse/stale': ['s1'] });
  });

  const endless: readonly (readonly [string, (n: number) => object, object])[] = [
    ['cursors that go round', (n) => ({ tools: [tool(`t${n}`)], nextCursor: `c${n % 3}` }), { cut: 'cursor' }],
    ['cursors without end', (n) => ({ tools: [tool(`t${n}`)], nextCursor: `c${n}` }), { cut: 'pages' }],
    [
      'tools without end',
      (n) => ({ tools: Array.from({ length: 900 }, (_, i) => tool(`t${n}-${i}`)), nextCursor: `c${n}` }),
      { cut: 'items' },
    ],
    [
      'bytes without end',
      (n) => ({
        tools: Array.from({ length: 10 }, (_, i) => tool(`t${n}-${i}`, { title: 'x'.repeat(90_000) })),
        nextCursor: `c${n}`,
      }),
      { cut: 'bytes' },
    ],
  ];
  test.each(endless)('%s are followed as far as it is bearable, and the log says so [F6]', async (_what, page, cut) => {
    let n = 0;
    upstream.script(serve(() => page(n++)));
    const answer = await list(askingOf());
    expect(namesOf(answer).length).toBeGreaterThan(0);
    expect(namesOf(answer).length).toBeLessThanOrEqual(listLimits.items);
    expect(listed().length).toBeLessThanOrEqual(listLimits.pages);
    expect(warnings).toMatchObject([cut]);
  });

  test("`''` is a cursor, and what isn't text is none", async () => {
    upstream.script(
      serve(({ rpc }) =>
        rpc.params?.cursor === '' ? { tools: [tool('b')], nextCursor: 7 } : { tools: [tool('a')], nextCursor: '' },
      ),
    );
    expect(namesOf(await list(askingOf()))).toEqual(['a', 'b']);
  });

  test('whatever a server says, the answer is a list, in the same order each time', async () => {
    const anyItem = fc.oneof(
      fc.jsonValue(),
      fc.record({ name: fc.string(), inputSchema: fc.jsonValue(), description: fc.jsonValue() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anyItem, { maxLength: 12 }), async (items) => {
        open();
        upstream.script(serve(() => ({ tools: [...items, tool('always')] })));
        const answer = await list(askingOf({ bindings: 2 }));
        const names = namesOf(answer);
        expect(names.filter((name) => name.endsWith('always'))).toEqual(['s1_always', 's2_always']);
        expect(new Set(names).size).toBe(names.length);
        upstream.script(serve(() => ({ tools: [tool('always'), ...items.toReversed()] })));
        open();
        expect(namesOf(await list(askingOf({ bindings: 2 }))).map((name) => name)).toEqual(names);
      }),
      { numRuns: 40 },
    );
  });
});

function nested(depth: number): JsonObject {
  let value: JsonObject = { type: 'string' };
  for (let i = 0; i < depth; i++) value = { type: 'object', properties: { x: value } };
  return value;
}

describe('a list above four megabytes', () => {
  const names = Array.from({ length: 40 }, (_, i) => `tool-${String(i).padStart(2, '0')}`);
  beforeEach(() => upstream.script(serve(() => ({ tools: names.map((name) => tool(name)), ttlMs: 3_600_000 }))));

  async function all(asking: Asking, pageBytes: number): Promise<string[]> {
    const found: string[] = [];
    let cursor: JsonObject['x'] | undefined;
    do {
      const page = await list(asking, cursor === undefined ? {} : { cursor }, pageBytes);
      found.push(...namesOf(page));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
  }

  test.each([1, 100, 500, 2000, 1_000_000])(
    'comes in pages of at most %i bytes, nothing twice and nothing left out',
    async (pageBytes) => {
      const expected = [...names.map((name) => `s1_${name}`), ...names.map((name) => `s2_${name}`)];
      expect(await all(askingOf({ bindings: 2 }), pageBytes)).toEqual(expected);
      const [first] = [await list(askingOf({ bindings: 2 }), {}, pageBytes)];
      if (pageBytes > 500) expect(Buffer.byteLength(JSON.stringify(first?.tools))).toBeLessThanOrEqual(pageBytes);
    },
  );

  test('a cursor goes on behind its item also where the list has changed, and on another replica', async () => {
    const first = await list(askingOf({ bindings: 2 }), {}, 500);
    const last = namesOf(first).at(-1) ?? '';
    lists.close();
    open();
    upstream.script(
      serve(() => ({
        tools: ['a-new-one', ...names].filter((name) => `s1_${name}` !== last).map((name) => tool(name)),
      })),
    );
    const next = await list(askingOf({ bindings: 2 }), { cursor: first.nextCursor ?? null }, 500);
    expect(namesOf(next)[0]).toBe(`s1_${names[names.indexOf(last.slice(3)) + 1]}`);
  });

  test.each([
    '',
    'x',
    'bm90IGpzb24',
    Buffer.from('[1,"nowhere","a"]').toString('base64url'),
    Buffer.from('[2,"s1","a"]').toString('base64url'),
    'A'.repeat(10_000),
    7,
    null,
    {},
  ])('the cursor %j is refused with -32602', async (cursor) => {
    await expect(list(askingOf(), { cursor } as JsonObject)).rejects.toMatchObject({
      code: -32602,
      message: 'Invalid cursor',
    });
  });

  test('cursors say nothing but where they stand', async () => {
    const { nextCursor } = await list(askingOf(), {}, 500);
    expect(Buffer.from(String(nextCursor), 'base64url').toString()).toMatch(/^\[1,"s1","tool-\d\d"\]$/);
  });
});

describe('a shared cache of lists', () => {
  /** A server that shows every caller a list of their own, and says whatever of who may share it. */
  const personal = (cacheScope: string, ttlMs: number) =>
    serve(({ headers }) => ({
      cacheScope,
      ttlMs,
      tools: [tool(`of-${String(headers['x-organization-id'] ?? 'all')}-${String(headers['x-user-id'] ?? 'nobody')}`)],
    }));

  test('what a server keeps good for an hour is asked for once, whoever asks under the same credential [R25]', async () => {
    for (const cacheScope of ['public', 'private']) {
      open();
      upstream.clear();
      upstream.script(serve(() => ({ cacheScope, ttlMs: 3_600_000, tools: [tool('a')] })));
      await Promise.all(['alice', 'bob', 'carol'].map((user) => list(askingOf({ user }))));
      await list(askingOf({ user: 'dave' }));
      expect(listed()).toHaveLength(1);
    }
  });

  test('nobody is ever shown what another is shown, whatever the server calls public [C3] [C4]', async () => {
    const users = fc.constantFrom('alice', 'bob', 'carol');
    const wish = fc.record({ user: users, organization: fc.integer({ min: 1, max: 3 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('public', 'private'),
        fc.integer({ min: 0, max: 3_600_000 }),
        fc.array(wish, { minLength: 2, maxLength: 12 }),
        async (scope, ttlMs, wishes) => {
          open();
          upstream.script(personal(scope, ttlMs));
          const mine = await Promise.all(wishes.map((one) => list(askingOf({ ...one, trusted: true }))));
          for (const [i, { user, organization }] of wishes.entries()) {
            const [name = ''] = namesOf(mine[i] ?? {});
            expect(name).toContain(`-${user}`);
            expect(name).toContain(subject.route({ organization }).organization.id);
            expect(mine[i]?.cacheScope).toBe('private');
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('organizations never share a list, credential or not [C4]', async () => {
    upstream.script(serve(() => ({ cacheScope: 'public', ttlMs: 3_600_000, tools: [tool('a')] })));
    for (const organization of [1, 2, 3]) await list(askingOf({ organization }));
    expect(listed()).toHaveLength(3);
  });

  test('says to clients how long it is still good: what is left of the least of its parts, half a minute at most', async () => {
    upstream.script(serve(() => ({ ttlMs: 20_000, tools: [tool('a')] })));
    expect((await list(askingOf())).ttlMs).toBe(20_000);
    await subject.time.advance(15_000);
    expect((await list(askingOf())).ttlMs).toBe(5000);
    expect(listed()).toHaveLength(1);
    open();
    upstream.script(serve(() => ({ ttlMs: 3_600_000, tools: [tool('a')] })));
    expect((await list(askingOf())).ttlMs).toBe(30_000);
    open();
    upstream.script(serve(() => ({ tools: [tool('a')] })));
    expect((await list(askingOf())).ttlMs).toBe(0);
  });

  test('is asked anew as soon as the server says that it changed', async () => {
    upstream.script(serve(() => ({ ttlMs: 3_600_000, tools: [tool('a')] })));
    await list(askingOf());
    upstream.script(serve(() => ({ ttlMs: 3_600_000, tools: [tool('b')] })));
    expect(namesOf(await list(askingOf()))).toEqual(['s1_a'.slice(3)]);
    const heard = new Promise((resolve) => lists.onChanged(resolve));
    lists.invalidate(subject.route(), 'tools');
    await heard;
    expect(namesOf(await list(askingOf()))).toEqual(['b']);
  });
});
