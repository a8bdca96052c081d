import { expect, test } from 'vitest';
import { configSchema } from './schema.ts';

const runnerOf = (runner: object) => configSchema.parse({ runner }).runner;

test('containers run as nobody, in the engine that is there, unless it is said otherwise', () => {
  const { engine, images, containerRuntime, containerUser } = runnerOf({});
  expect({ engine, images, containerRuntime }).toEqual({
    engine: 'auto',
    images: undefined,
    containerRuntime: undefined,
  });
  expect(containerUser).toBe('65534:65534');
  expect(runnerOf({ engine: 'unix:///run/x.sock', images: ['ghcr.io/org/*'] }).images).toEqual(['ghcr.io/org/*']);
});

test.each([
  { containerUser: '0:0' },
  { containerUser: '1000:0' },
  { containerUser: 'root' },
  { containerUser: '1000' },
])('%j: a container never runs as root [G7]', (runner) => {
  expect(() => runnerOf(runner)).toThrow(/uid:gid/);
});

test.each([
  { engine: 'ssh://host' },
  { engine: 'docker' },
  { containerRuntime: '../runc' },
  { containerRuntime: '--x' },
])('%j is refused', (runner) => {
  expect(() => runnerOf(runner)).toThrow();
});
