/** gatehouse.yaml is read anew when the process is told to, or the file changes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startGateway } from '#kit/gateway.ts';

const yaml = (name: string, more = '') =>
  `organizations: [{ slug: acme, name: ${name} }]\nhttp: { metaTools: false }\n${more}`;

test('a changed file is applied, a broken one keeps what was, and what needs a restart is named', async () => {
  const gateway = await startGateway({ configYaml: yaml('Acme') });
  try {
    const token = readFileSync(join(gateway.dataDir, 'admin.token'), 'utf8').trim();
    const status = async () => {
      const answer = await fetch(`${gateway.url}/admin/api/v1/status`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return (await answer.json()) as {
        configuration: { file: string; problem: string | null; needsRestart: string[] };
      };
    };
    const { configuration } = await status();
    expect(configuration).toMatchObject({ problem: null, needsRestart: [] });
    const { file } = configuration;
    const names = async () =>
      (
        await fetch(`${gateway.url}/admin/api/v1/organizations`, { headers: { authorization: `Bearer ${token}` } })
      ).text();

    writeFileSync(file, yaml('Renamed').replace('false', 'true'));
    process.kill(gateway.pid, 'SIGHUP');
    await vi.waitFor(async () => expect(await names()).toContain('Renamed'), { timeout: 20_000, interval: 200 });
    await vi.waitFor(async () => expect((await status()).configuration.needsRestart).toEqual(['http']), 20_000);

    writeFileSync(file, 'organizations: [{ slug: acme, nam: Broken }]\n');
    process.kill(gateway.pid, 'SIGHUP');
    await vi.waitFor(async () => {
      expect((await status()).configuration.problem).toContain('organizations[0].name is wrong');
    }, 20_000);
    expect(await names()).toContain('Renamed');
    expect(gateway.output()).toContain('what was before goes on');

    // Nobody says so: the file is watched.
    writeFileSync(file, yaml('Watched'));
    await vi.waitFor(async () => expect(await names()).toContain('Watched'), { timeout: 20_000, interval: 200 });
    expect((await status()).configuration).toMatchObject({ problem: null, needsRestart: [] });

    const plan = (await gateway.cli('plan', file)) as { changes: unknown[] };
    expect(plan.changes).toEqual([]);
  } finally {
    await gateway.stop();
  }
}, 120_000);
