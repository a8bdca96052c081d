/** What happens while a call runs: progress, log messages, cancelling and hanging up. */
import { expect } from 'vitest';
import { objectIn } from '#core/json.ts';
import { isModern } from './clients.ts';
import { call, type Feature, said, until } from './feature.ts';

const group = 'While a call runs';

export const meanwhileFeatures: readonly Feature[] = [
  {
    title: 'progress, in order and before the answer',
    group,
    async check(pair) {
      const { client } = pair;
      client.heard.length = 0;
      const result = await call(pair, 'progress', {}, { onProgress: () => undefined });
      expect(said(result)).toBe('done');
      // On the wire: the SDKs forget a request's progress as soon as its answer is there.
      const its = client.heard.filter(({ method }) => method === undefined || method === 'notifications/progress');
      const kinds = its.map(({ method, params }) => {
        const { progress, total } = objectIn({ params: params ?? {} }, 'params') ?? {};
        return method === undefined ? 'answer' : [progress, total];
      });
      expect(kinds).toEqual([[1, 3], [2, 3], [3, 3], 'answer']);
    },
  },
  {
    title: 'log messages from the level that the client set',
    group,
    gap: (row, column) => (!isModern(row) && !column.keepsSessions ? 'oneLevel' : undefined),
    async check(pair) {
      const { client, row, tag } = pair;
      if (!isModern(row)) await client.request('logging/setLevel', { level: 'info' });
      client.logs.length = 0;
      await call(pair, 'log', { tag }, isModern(row) ? { logLevel: 'info' } : {});
      expect(client.logs.map(({ level, data }) => [level, data])).toEqual([
        ['info', `info of ${tag}`],
        ['warning', `warning of ${tag}`],
      ]);
    },
  },
  {
    title: 'cancelling reaches the server',
    group,
    gap: (_row, column) => (column.keepsSessions ? undefined : 'cannotHear'),
    async check(pair) {
      const { tag } = pair;
      const abort = new AbortController();
      const waiting = call(pair, 'wait', { tag }, { signal: abort.signal }).catch(() => 'cancelled');
      await until(pair, ({ started }) => started.includes(tag), 'the call');
      abort.abort(new Error('the user gave up'));
      expect(await waiting).toBe('cancelled');
      await until(pair, ({ cancelled }) => cancelled.includes(tag), 'that it is cancelled');
    },
  },
  {
    title: 'hanging up: a legacy client’s call goes on, a modern client’s is cancelled',
    group,
    gap: (row, column) => (row.wire !== 'http' ? 'oneConnection' : column.keepsSessions ? undefined : 'cannotHear'),
    check: hangUp,
  },
];

async function hangUp(pair: Parameters<Feature['check']>[0]): Promise<void> {
  const { tag, row } = pair;
  const abort = new AbortController();
  const gone = pair.client.hangingCall('wait', { tag }, abort.signal);
  await until(pair, ({ started }) => started.includes(tag), 'the call');
  abort.abort();
  await gone;
  if (isModern(row)) {
    await until(pair, ({ cancelled }) => cancelled.includes(tag), 'that it is cancelled');
    return;
  }
  expect(said(await call(pair, 'release', { tag }))).toBe('yes');
  await until(pair, ({ finished }) => finished.includes(tag), 'that it goes on');
}
