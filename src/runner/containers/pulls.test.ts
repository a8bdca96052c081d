import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FakeEngine, fakeImage, startFakeEngine } from '#kit/fake-engine.ts';
import { type Engine, openEngine } from './engine.ts';
import { openPulls } from './pulls.ts';

let fake: FakeEngine;
let engine: Engine;
beforeEach(async () => {
  fake = await startFakeEngine();
  engine = await openEngine({ origin: 'http://localhost', socketPath: fake.socketPath });
});
afterEach(async () => {
  await engine.close();
  await fake.close();
});
const pulls = (patterns?: readonly string[]) => openPulls(async () => engine, patterns);
const asked = () => fake.requests.filter((each) => each.includes('/images/create')).length;

test('an image is pulled once for all who ask, and whoever will not wait is told to ask again', async () => {
  let finish = () => {};
  fake.images['registry.example/new:1'] = fakeImage();
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  fake.misbehaviour = {
    path: /images\/create/,
    act(_req, res) {
      res.write('{"status":"Downloading","id":"layer"}\n');
      finish = () => res.end();
      resolve();
    },
  };
  const pull = pulls();
  const long = pull('registry.example/new:1', 10_000);
  await begun;
  await expect.poll(async () => (await pull('registry.example/new:1', 0)).progress).toBe('layer: Downloading');
  expect(await pull('registry.example/new:1', 0)).toMatchObject({ state: 'pulling', id: undefined });
  finish();
  expect(await long).toMatchObject({ state: 'here', id: expect.stringMatching(/^sha256:/) });
  expect(asked()).toBe(1);
});

test('what may not run is not fetched: runner.images holds, and a name is no path [G7]', async () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  await expect(pulls(['registry.example/*'])('evil.example/x:1', 10)).rejects.toThrow('not in runner.images');
  await expect(pulls([digest])(`evil.example/x@sha256:${'b'.repeat(64)}`, 10)).rejects.toThrow('not in runner.images');
  await expect(pulls()('../containers/json', 10)).rejects.toThrow('not the name of an image');
  expect(asked()).toBe(0);
});

test('what the engine complains of is said', async () => {
  fake.misbehaviour = { path: /images\/create/, act: (_req, res) => void res.end('{"error":"manifest unknown"}\n') };
  await expect(pulls()('registry.example/none:1', 10_000)).rejects.toMatchObject({
    code: 'upstream_broken',
    message: expect.stringContaining('manifest unknown'),
  });
});
