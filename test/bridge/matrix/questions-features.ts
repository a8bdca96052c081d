/** Questions of servers in the middle of a call. */
import { expect } from 'vitest';
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import { acceptAll, type ClientRow, connect, isModern } from './clients.ts';
import { call, type Feature, isDirect, type Pair, refusalOf, said } from './feature.ts';
import type { ServerColumn } from './servers.ts';

const group = 'Questions in the middle of a call';

const needsSession = (_row: ClientRow, column: ServerColumn) => (column.keepsSessions ? undefined : 'cannotHear');
const needsForms = (row: ClientRow, column: ServerColumn) =>
  needsSession(row, column) ?? (row.version < '2025-06-18' ? 'noForms' : undefined);
const needsUrls = (row: ClientRow, column: ServerColumn) =>
  needsSession(row, column) ?? (row.version < '2025-11-25' ? 'noUrls' : undefined);

/** It ends soon, as a failure, and nobody was asked. */
const endsUnasked = (name: string) => async (pair: Pair) => {
  if (!pair.column.keepsSessions) return;
  await expectRefused(pair.client.asked, call(pair, name));
};

async function expectRefused(asked: readonly unknown[], result: Promise<JsonObject>): Promise<void> {
  const before = asked.length;
  const outcome = await result.then(
    ({ isError }) => isError,
    () => true,
  );
  expect([outcome, asked.length]).toEqual([true, before]);
}

async function answering<T>({ client }: Pair, answer: typeof acceptAll, work: () => Promise<T>): Promise<T> {
  client.asked.length = 0;
  client.answer = answer;
  try {
    return await work();
  } finally {
    client.answer = acceptAll;
  }
}

const asked = ({ client }: Pair) => client.asked.map(({ method }) => method);

export const questionFeatures: readonly Feature[] = [
  {
    title: 'elicitation by a form, accepted',
    group,
    gap: needsForms,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'ask_form'));
      expect(said(result)).toMatchObject({ action: 'accept', content: { name: 'ann for Who?' } });
      expect(asked(pair)).toEqual(['elicitation/create']);
    },
    instead: endsUnasked('ask_form'),
  },
  ...(['decline', 'cancel'] as const).map(
    (action): Feature => ({
      title: `elicitation by a form, ${action === 'decline' ? 'declined' : 'cancelled'}`,
      group,
      gap: needsForms,
      async check(pair) {
        const result = await answering(
          pair,
          () => ({ action }),
          () => call(pair, 'ask_form'),
        );
        expect(said(result)).toMatchObject({ action });
      },
    }),
  ),
  {
    title: 'elicitation by an address',
    group,
    gap: needsUrls,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'ask_url'));
      expect(said(result)).toMatchObject({ action: 'accept' });
      const [question] = pair.client.asked;
      expect(question?.params).toMatchObject({ mode: 'url', url: 'https://example.com/connect' });
      expect(question?.params.elicitationId !== undefined).toBe(!isModern(pair.row));
    },
    instead: endsUnasked('ask_url'),
  },
  {
    title: 'the error -32042: open an address, call again',
    group,
    gap: (row, column) =>
      isModern(row)
        ? column.speaks.includes('modern' as never)
          ? 'modernUrlError'
          : undefined
        : !column.speaks.includes('legacy' as never)
          ? 'modernUrlError'
          : row.version < '2025-11-25' && !isDirect(row, column)
            ? 'noUrlErrors'
            : undefined,
    async check(pair) {
      const { tag, row } = pair;
      if (isModern(row)) {
        const result = await answering(pair, acceptAll, () => call(pair, 'must_connect', { tag }));
        expect(said(result)).toBe('connected');
        expect(pair.client.asked[0]?.params).toMatchObject({ mode: 'url', url: 'https://example.com/connect' });
        return;
      }
      const { code, data } = await refusalOf(call(pair, 'must_connect', { tag }));
      expect([code, data]).toMatchObject([-32042, { elicitations: [{ url: 'https://example.com/connect' }] }]);
    },
  },
  {
    title: 'sampling',
    group,
    gap: needsSession,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'ask_model'));
      expect(said(result)).toMatchObject({ role: 'assistant', content: { type: 'text', text: 'pong' } });
    },
  },
  {
    title: 'roots',
    group,
    gap: needsSession,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'ask_roots'));
      expect(said(result)).toMatchObject({ roots: [{ uri: 'file:///work', name: 'work' }] });
    },
  },
  {
    title: 'several questions at once',
    group,
    gap: needsForms,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'ask_together'));
      expect(said(result)).toEqual({ keys: ['model', 'name', 'roots'] });
      expect(asked(pair).sort()).toEqual(['elicitation/create', 'roots/list', 'sampling/createMessage']);
    },
  },
  {
    title: 'one question after another',
    group,
    gap: needsForms,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'ask_in_turn'));
      expect(said(result)).toMatchObject({
        first: { content: { name: 'ann for First?' } },
        second: { content: { name: 'ann for Second?' } },
        third: { content: { name: 'ann for Third?' } },
      });
      expect(pair.client.asked).toHaveLength(3);
    },
  },
  {
    title: 'two calls at once, each asked its own question',
    group,
    gap: needsForms,
    async check(pair) {
      const work = () => Promise.all(['ask_a', 'ask_b'].map((name) => call(pair, name)));
      const results = await answering(pair, acceptAll, work);
      expect(results.map(said)).toMatchObject([
        { content: { name: 'ann for A?' } },
        { content: { name: 'ann for B?' } },
      ]);
    },
  },
  {
    title: 'questions that were left out are asked again',
    group,
    gap: (row, column) => (isModern(row) ? needsSession(row, column) : 'onlyModern'),
    async check({ client, tag }) {
      const ask = async (id: string, more: JsonObject) => {
        const params = { name: 'ask_together', arguments: {}, ...more };
        return objectIn(await client.raw({ id: `${tag} ${id}`, method: 'tools/call', params }), 'result');
      };
      const first = await ask('1', {});
      const keys = Object.keys(objectIn(first, 'inputRequests') ?? {});
      expect(keys.length).toBeGreaterThan(0);
      const again = await ask('2', { requestState: first?.requestState ?? '', inputResponses: {} });
      expect(again?.inputRequests).toMatchObject(objectIn(first, 'inputRequests') ?? {});
      const [[key = '', question] = []] = Object.entries(objectIn(first, 'inputRequests') ?? {});
      const { method, params } = isJsonObject(question) ? question : {};
      const answer = acceptAll(String(method), isJsonObject(params) ? params : {});
      const rest = await ask('3', {
        requestState: again?.requestState ?? '',
        inputResponses: { [key]: answer, extra: {} },
      });
      expect(rest?.resultType).toBe('input_required');
      expect(Object.keys(objectIn(rest, 'inputRequests') ?? {})).not.toContain(key);
    },
  },
  {
    title: 'a side effect before the question happens once',
    group,
    gap: needsForms,
    async check(pair) {
      const result = await answering(pair, acceptAll, () => call(pair, 'charge', { tag: pair.tag }));
      expect(said(result)).toEqual({ counts: 1, action: 'accept' });
    },
  },
  {
    title: 'a client that declared nothing is asked nothing',
    group,
    gap: needsSession,
    async check({ row, world, column }) {
      const client = await connect(row, world.address(column.key), {});
      try {
        for (const name of ['ask_form', 'ask_model', 'ask_roots'])
          await expectRefused(client.asked, call({ client }, name));
      } finally {
        await client.close();
      }
    },
  },
];
