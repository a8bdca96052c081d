import { expect, test } from 'vitest';
import { asServerId } from '#core/ids.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openRuns } from './runs.ts';

const server = asServerId('019a0000-0000-7000-8000-000000000001');
const other = asServerId('019a0000-0000-7000-8000-000000000002');
const runOf = (id: string, of = server) =>
  ({ id, server: of, key: 'files', org: undefined, kind: 'process', startedAt: 0, sandbox: 'none' }) as const;

test('what runs is listed until it is gone, and then says how it ended', async () => {
  const runs = openRuns({ clock: manualClock(0) });
  const exit = { at: 5, code: 1, signal: null, reason: 'exited' };
  runs.add(runOf('a'), async () => runs.remove('a', exit));
  runs.add(runOf('b', other), async () => {});
  expect(runs.list().map(({ id }) => id)).toEqual(['a', 'b']);
  expect(await runs.end(server)).toBe(1);
  expect(runs.list().map(({ id }) => id)).toEqual(['b']);
  expect(runs.lastExit(server)).toEqual(exit);
  expect(runs.lastExit(other)).toBeUndefined();
});

test('the newest thousand lines of each server are kept, and followers hear each as it comes', () => {
  const clock = manualClock(7);
  const runs = openRuns({ clock });
  const heard: string[] = [];
  const stop = runs.follow(server, ({ text }) => heard.push(text));
  for (let n = 0; n < 1500; n++) runs.log(server, 'a', `line ${n}`);
  stop();
  runs.log(server, 'a', 'the last');
  expect(heard).toHaveLength(1500);
  expect(runs.lines(server, 2)).toEqual([
    { at: 7, run: 'a', text: 'line 1499' },
    { at: 7, run: 'a', text: 'the last' },
  ]);
  expect(runs.lines(server, 5000)).toHaveLength(1000);
  expect(runs.lines(other, 5)).toEqual([]);
});

test('long lines take the place of more old ones: what is kept of a server is bounded [G11]', () => {
  const runs = openRuns({ clock: manualClock(0) });
  for (let n = 0; n < 200; n++) runs.log(server, 'a', `${n} `.padEnd(8192, 'x'));
  const kept = runs.lines(server, 5000);
  expect(kept).toHaveLength(64);
  expect(kept.at(-1)?.text).toMatch(/^199 /);
});
