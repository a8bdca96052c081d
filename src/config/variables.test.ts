import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';

const load = (env: Readonly<Record<string, string>>) => loadConfig({ env, cwd: '/app', readFile: () => undefined });

test('NO_COLOR takes the colours out, an empty one does not', () => {
  expect(load({ NO_COLOR: '1' }).telemetry.color).toBe(false);
  expect(load({ NO_COLOR: '' }).telemetry.color).toBe(true);
});

test('proxy variables are read in both cases', () => {
  const { egress } = load({ https_proxy: 'proxy.example:3128', NO_PROXY: 'a.example, .b.example' });
  expect(egress).toMatchObject({ httpsProxy: 'http://proxy.example:3128', noProxy: ['a.example', '.b.example'] });
});
