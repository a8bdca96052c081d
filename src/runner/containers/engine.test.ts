import { once } from 'node:events';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endless, type FakeEngine, startFakeEngine } from '#kit/fake-engine.ts';
import { checkImageName, type Engine, openEngine } from './engine.ts';
import { findEngine, parseEngineAddress } from './find-engine.ts';
import { frameReader } from './frames.ts';
import { checkImage } from './images.ts';

let fake: FakeEngine;
let engine: Engine;

beforeEach(async () => {
  fake = await startFakeEngine();
  engine = await openEngine({ origin: 'http://localhost', socketPath: fake.socketPath }, { timeoutMs: 300 });
});

afterEach(async () => {
  await engine.close();
  await fake.close();
});

const image = 'registry.example/tool:1';

describe('the engine is a stranger', () => {
  test('an answer without an end is cut', async () => {
    fake.misbehaviour = { path: /^\/images/, act: (_req, res) => endless(res) };
    await expect(engine.findImage(image)).rejects.toThrow(/more than 4194304 bytes|did not answer/);
  });

  test('a slow one is given up', async () => {
    fake.misbehaviour = { path: /^\/images/, act: (_req, res) => void res.write('{') };
    await expect(engine.findImage(image)).rejects.toThrow('did not answer');
    fake.misbehaviour = { path: /^\/images/, act() {} };
    await expect(engine.findImage(image)).rejects.toThrow('did not answer');
  });

  test.each(['no json', '[]', '{"Id":7}', '{"Id":"x","Config":{"Volumes":["a"]}}', ''])(
    '%j is no image',
    async (body) => {
      fake.misbehaviour = { path: /^\/images/, act: (_req, res) => void res.end(body) };
      await expect(engine.findImage(image)).rejects.toThrow(/no JSON|unknown shape/);
    },
  );

  test('an id that would be a path is none', async () => {
    fake.misbehaviour = { path: /create$/, act: (_req, res) => void res.writeHead(201).end('{"Id":"../../images"}') };
    await expect(engine.create('x', {})).rejects.toThrow('unknown shape');
  });

  test('its message is one line without control characters', async () => {
    const message = `bad\n\u001b[31m${'x'.repeat(5000)}`;
    fake.misbehaviour = {
      path: /create$/,
      act: (_req, res) => void res.writeHead(500).end(JSON.stringify({ message })),
    };
    const text = await engine.create('x', {}).then(
      () => '',
      (thrown: Error) => thrown.message,
    );
    expect(text).toMatch(/^the container engine answered 500 to POST \/containers\/create: bad \[31mx+$/);
    expect(text.length).toBeLessThan(600);
  });

  test('what is attached stays attached when requests would have been given up', async () => {
    const id = await engine.create('x', {});
    fake.behaviour = { input: (container, text) => container.stdout(text) };
    const stream = await engine.attach(id, { stdin: true });
    await new Promise((resolve) => setTimeout(resolve, 400));
    stream.write('still here');
    const [chunk] = await once(stream, 'data');
    expect(String(chunk)).toContain('still here');
    stream.destroy();
  });

  test('what it does not upgrade is not attached to', async () => {
    await expect(engine.attach('a'.repeat(64), { stdin: true })).rejects.toThrow('did not attach');
  });
});

test('a pull tells how it goes, and fails with what the registry said', async () => {
  const heard: string[] = [];
  await engine.pull('registry.example/tool', { hear: (line) => heard.push(line) });
  expect(heard).toEqual(['1: Pulling from tool', '1: Download complete']);
  expect(fake.requests.at(-1)).toBe('POST /images/create?fromImage=registry.example%2Ftool%3Alatest');
  fake.misbehaviour = { path: /create$/, act: (_req, res) => void res.end('{"error":"manifest unknown"}\n') };
  await expect(engine.pull(image)).rejects.toThrow('could not be pulled: manifest unknown');
});

describe('which engine', () => {
  test('is said by the setting, by its own variables, or found at the usual sockets', async () => {
    const env = { CONTAINER_HOST: `unix://${fake.socketPath}`, DOCKER_HOST: 'tcp://127.0.0.1:1' };
    const usual = ['/no/such.sock', fake.socketPath];
    for (const options of [
      { setting: fake.socketPath, env: {} },
      { setting: `unix://${fake.socketPath}`, env: {} },
      { setting: 'auto', env },
      { setting: 'auto', env: {}, usual },
    ]) {
      const found = await findEngine(options);
      expect(found).toMatchObject({ name: 'docker', version: '27.0.1', socketPath: fake.socketPath });
      await found.close();
    }
    fake.podman = true;
    const podman = await findEngine({ setting: fake.socketPath, env: {} });
    expect(podman.name).toBe('podman');
    await podman.close();
  });

  test('where there is none it is said what to do [R14]', async () => {
    await expect(findEngine({ setting: 'auto', env: {}, usual: [] })).rejects.toThrow(
      /no container engine here.*runner\.engine/,
    );
    await expect(findEngine({ setting: 'none', env: {} })).rejects.toThrow('runner.engine is none');
    await expect(findEngine({ setting: '/no/such.sock', env: {} })).rejects.toThrow('did not answer');
  });

  test.each([
    'tcp://10.0.0.1:2375',
    'tcp://0.0.0.0:2375',
    'ssh://host',
    'unix://',
    'tcp://127.0.0.1',
    'http://localhost.evil.example:1',
    'x',
  ])('%j is refused: its port is root on that machine', (text) => {
    expect(() => parseEngineAddress(text)).toThrow('no address of a container engine');
  });

  test('loopback over TCP is an address', () => {
    expect(parseEngineAddress('tcp://127.0.0.1:2375')).toEqual({ origin: 'http://127.0.0.1:2375' });
  });
});

test('names of images are names and never paths [G7]', () => {
  for (const good of ['redis', 'a/b/c:1.2', 'ghcr.io/org/x_y:v1', `localhost:5000/x@sha256:${'a'.repeat(64)}`]) {
    expect(() => checkImageName(good)).not.toThrow();
  }
  for (const bad of ['', '../x', 'a/../b', 'a//b', 'a b', 'a?b', 'a#b', '-v', 'A:1:2', 'x'.repeat(501)]) {
    expect(() => checkImageName(bad)).toThrow();
  }
});

test('runner.images: names, patterns and digests [G7]', () => {
  const id = `sha256:${'a'.repeat(64)}`;
  const digest = `sha256:${'d'.repeat(64)}`;
  const here = { id, digests: [`ghcr.io/org/tool@${digest}`], volumes: [], ports: [] };
  const isAllowed = (reference: string, patterns: readonly string[] | undefined) => {
    try {
      checkImage(reference, here, patterns);
      return true;
    } catch {
      return false;
    }
  };
  expect(isAllowed('anything', undefined)).toBe(true);
  expect(isAllowed('anything', [])).toBe(false);
  for (const pattern of ['ghcr.io/org/*', 'ghcr.io/org/tool', 'ghcr.io/org/tool:1', 'ghcr.io/**', id, digest]) {
    expect(isAllowed('ghcr.io/org/tool:1', [pattern])).toBe(true);
  }
  for (const pattern of [
    'ghcr.io/*',
    'ghcr.io/org/tool:2',
    'ghcr.io/org/too',
    'ghcrxio/org/tool',
    'org/tool:1',
    `sha256:${'b'.repeat(64)}`,
  ]) {
    expect(isAllowed('ghcr.io/org/tool:1', [pattern])).toBe(false);
  }
});

test('frames are put together however they are cut, and nothing is collected [G10]', () => {
  const frame = (stream: number, text: string) => {
    const head = Buffer.alloc(8);
    head.writeUInt8(stream, 0);
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(1, 2), fc.string())),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (frames, cuts) => {
        const parts: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
        const reader = frameReader({
          onStdout: (part) => parts[1].push(Buffer.from(part)),
          onStderr: (part) => parts[2].push(Buffer.from(part)),
          onBroken: () => expect.unreachable(),
        });
        const bytes = Buffer.concat(frames.map(([stream, text]) => frame(stream, text)));
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const length = cuts[i % cuts.length] ?? 1;
          reader.push(bytes.subarray(at, at + length));
          at += length;
        }
        for (const stream of [1, 2] as const) {
          expect(Buffer.concat(parts[stream]).toString()).toBe(
            frames
              .filter(([of]) => of === stream)
              .map(([, text]) => text)
              .join(''),
          );
        }
      },
    ),
  );
});
