/** The product as people start it: no setting at all, a data directory that is empty, then one that isn't. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { startGateway } from '#kit/gateway.ts';

const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-first-'));
afterAll(() => rm(dataDir, { recursive: true, force: true }));

const keyLines = (output: string) => output.split('\n').filter((line) => /^gw_test_\w+$/.test(line));

test('the first start prints one key, a second start prints none and knows the first [H12]', async () => {
  const first = await startGateway({ configYaml: '', dataDir });
  let key = '';
  try {
    await vi.waitFor(() => expect(keyLines(first.output())).not.toEqual([]), 10_000);
    [key = ''] = keyLines(first.output());
    expect(keyLines(first.output())).toHaveLength(1);
    for (const file of ['keys.json', 'admin.token', 'gateway.json']) {
      expect((await stat(join(dataDir, file))).mode & 0o777).toBe(0o600);
    }
    expect((await fetch(`${first.url}/welcome`)).status).toBe(200);
    expect(await (await fetch(`${first.url}/health?x=1`)).json()).toMatchObject({ status: 'healthy', servers: {} });
    expect(await first.cli('org', 'list')).toMatchObject([{ slug: 'demo' }]);
    expect(JSON.stringify(await first.cli('server', 'list'))).toContain('everything');
    const made = await first.cli('key', 'create', '--name', 'mine', '--endpoints', 'time');
    expect(made).toMatchObject({ org: 'demo', endpoints: ['time'], key: expect.stringMatching(/^gw_test_/) });
    for (const server of ['echo-stateful', 'echo-stateless', 'everything']) {
      const result = await first.cli('call', `demo/${server}`, 'echo', '{"message":"hello"}');
      expect(JSON.stringify(result)).toContain('hello');
    }
    const all = JSON.stringify(await first.cli('tools'));
    expect(all).toContain('"time_get_current_time"');
    // Offered by its server only to clients that can be asked.
    expect(all).toContain('"everything_trigger-elicitation-request"');
    expect(JSON.stringify(await first.cli('tools', 'demo/'))).toBe(all);
    const left = JSON.stringify(await first.cli('key', 'list'));
    expect(left.match(/"revokedAt":"/g)).toHaveLength(5);
    await expect(startGateway({ configYaml: '', dataDir })).rejects.toThrow(/data directory|in use|process/);
  } finally {
    expect(await first.stop()).toBe(0);
  }
  expect(first.output()).toContain('stopping gracefully');
  await expect(readFile(join(dataDir, 'gateway.json'))).rejects.toThrow('ENOENT');

  const second = await startGateway({ configYaml: 'organizations: [{slug: acme, name: Acme}]', dataDir });
  try {
    expect(keyLines(second.output())).toEqual([]);
    expect(await second.cli('org', 'list')).toMatchObject([{ slug: 'acme' }, { slug: 'demo' }]);
    const answer = await fetch(`${second.url}/demo/mcp/time`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    });
    expect(answer.status).not.toBe(401);
    expect(second.output()).not.toContain(key);
  } finally {
    await second.stop();
  }
}, 180_000);

test('while developing an interrupt stops at once, and the log says so [S0.22]', async () => {
  const gateway = await startGateway({ configYaml: '', dataDir, env: { NODE_ENV: 'development' } });
  process.kill(gateway.pid, 'SIGINT');
  expect(await gateway.exited).toBe(0);
  expect(gateway.output()).toContain('stopping at once');
}, 90_000);
