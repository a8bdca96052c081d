/** `init`, `doctor`, `completion`, and what holds for every command. */
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { listenOnLoopback } from '#kit/listen.ts';
import { hasRedis, startRedis } from '#kit/redis-server.ts';
import { cli } from '#kit/run-cli.ts';

const fresh = () => mkdtempSync(join(tmpdir(), 'gatehouse-init-'));

test('init writes a file and a key that only its owner reads, and never overwrites', async () => {
  const cwd = fresh();
  expect(await cli(['init', '--org', 'acme', '--yes'], { cwd })).toMatchObject({ code: 0, out: '' });
  expect(statSync(join(cwd, '.env')).mode & 0o777).toBe(0o600);
  const key = readFileSync(join(cwd, '.env'), 'utf8');
  expect(key).toMatch(/^ENCRYPTION_KEY=[A-Za-z0-9+/]{43}=$/m);
  expect(readFileSync(join(cwd, 'gatehouse.yaml'), 'utf8')).toContain('slug: acme');
  expect(await cli(['init', '--org', 'acme', '--yes'], { cwd })).toMatchObject({ code: 1 });
  expect(readFileSync(join(cwd, '.env'), 'utf8')).toBe(key);
});

test('doctor names what is wrong, exits 1 and shows no secret', async () => {
  const cwd = fresh();
  await cli(['init', '--server', 'http://127.0.0.1:1/mcp', '--yes'], { cwd });
  const { code, out } = await cli(['doctor', '--json'], { cwd });
  expect(code).toBe(1);
  const { findings, configuration } = JSON.parse(out);
  expect(findings).toContainEqual({ check: 'database', state: 'ok', said: expect.stringContaining('it opens') });
  expect(findings).toContainEqual(expect.objectContaining({ check: 'server first', state: 'failed' }));
  expect(configuration.secrets.encryptionKey).toBe('[secret]');
});

test('doctor of settings that are wrong says which', async () => {
  const { code, out } = await cli(['doctor'], { env: { PORT: 'x' } });
  expect(code).toBe(1);
  expect(out).toContain('✗ settings: PORT is wrong');
});

test('doctor probes an address: challenge and metadata', async () => {
  const server = createServer((req, res) => {
    const origin = `http://${req.headers.host}`;
    if (req.url === '/.well-known/oauth-protected-resource/mcp')
      return res.end(JSON.stringify({ resource: `${origin}/mcp`, authorization_servers: [origin] }));
    if (req.url !== '/mcp') return res.writeHead(404).end();
    const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
    return res.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${metadata}"` }).end();
  });
  const listening = await listenOnLoopback(server);
  try {
    const { code, out } = await cli(['doctor', `http://127.0.0.1:${listening.port}/mcp`]);
    expect(code).toBe(1);
    expect(out).toContain('✓ resource metadata');
    expect(out).toContain('✗ authorization server');
  } finally {
    await listening.close();
  }
});

test.each(['bash', 'zsh', 'fish'])('completion for %s knows nouns, verbs and options', async (shell) => {
  const { code, out } = await cli(['completion', shell]);
  expect(code).toBe(0);
  for (const word of ['plan', 'server', 'list', 'prune']) expect(out).toContain(word);
});

test('a shell that nobody knows is a usage error, and a mistyped command is', async () => {
  expect((await cli(['completion', 'tcsh'])).code).toBe(2);
  expect((await cli(['plna'])).code).toBe(2);
});

test('no colour where NO_COLOR is set', async () => {
  const { out } = await cli(['doctor'], { terminal: true, env: { NO_COLOR: '1', PORT: 'x' } });
  expect(out).not.toContain('\u001b');
  expect((await cli(['doctor'], { terminal: true, env: { PORT: 'x' } })).out).toContain('\u001b[31m');
});

describe('doctor asks a Redis that is set', () => {
  const redisOf = async (url: string) => {
    const cwd = fresh();
    const { out } = await cli(['doctor', '--json'], { cwd, env: { REDIS_URL: url, DATA_DIR: join(cwd, 'data') } });
    expect(out).not.toContain('canary');
    return z
      .object({ findings: z.array(z.record(z.string(), z.string())) })
      .parse(JSON.parse(out))
      .findings.find(({ check }) => check === 'redis');
  };

  test.skipIf(!hasRedis)('whether it lets us in, and how long it takes', async () => {
    const redis = await startRedis();
    try {
      await redis.send('CONFIG', 'SET', 'requirepass', 'canary-right');
      const at = (password: string) => redis.url.replace('redis://', `redis://:${password}@`);
      expect(await redisOf(at('canary-right'))).toMatchObject({
        state: 'ok',
        said: expect.stringMatching(/^127\.0\.0\.1 answers in \d+ ms; version \d/),
      });
      expect(await redisOf(at('canary-wrong'))).toMatchObject({
        ...{ state: 'failed', said: 'it refuses the user name or password of REDIS_URL' },
      });
      expect(await redisOf(redis.url)).toMatchObject({ state: 'failed', said: expect.stringContaining('password') });
    } finally {
      await redis.close();
    }
  });

  test('where nobody listens, or nobody speaks Redis', async () => {
    const other = createServer((_req, res) => res.end());
    const listening = await listenOnLoopback(other);
    const url = `redis://:canary@127.0.0.1:${listening.port}`;
    expect(await redisOf(url)).toMatchObject({ state: 'failed' });
    await listening.close();
    expect(await redisOf(url)).toMatchObject({ state: 'failed', said: 'ECONNREFUSED' });
  });
});
