import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Configuration, Gateway } from '#index.ts';
import { createTestDatabase } from '#kit/postgres.ts';

test('starting twice warns, stopping a stopped gateway does nothing, events tell of both [S0.43] [S0.44]', async () => {
  const database = await createTestDatabase();
  const cwd = await mkdtemp(join(tmpdir(), 'gatehouse-class-'));
  const env = {
    PORT: '0',
    DATABASE_URL: database.url,
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
    LOG_LEVEL: 'error',
  };
  const warnings: string[] = [];
  const log = {
    debug() {},
    info() {},
    error() {},
    warn: (_fields: object, message: string) => void warnings.push(message),
  };
  const gateway = new Gateway(Configuration.load({ env, cwd }), log);
  const events: string[] = [];
  gateway.on('started', (url) => events.push(`started ${new URL(url).protocol}`));
  gateway.on('stopped', () => events.push('stopped'));
  try {
    await gateway.stop();
    expect(gateway.isActive()).toBe(false);
    await Promise.all([gateway.start(), gateway.start()]);
    expect(gateway.isActive()).toBe(true);
    expect(warnings).toHaveLength(1);
    expect((await fetch(`${gateway.url}/health`)).status).toBe(200);
    await gateway.stop();
    await gateway.stop();
    expect(gateway.isActive()).toBe(false);
    expect(events).toEqual(['started http:', 'stopped']);
  } finally {
    await gateway.stop();
    await database.close();
    await rm(cwd, { recursive: true });
  }
}, 60_000);
