import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';

const load = (files: Readonly<Record<string, string>>) =>
  loadConfig({ env: {}, cwd: '/c', readFile: (path) => files[path] }).policies;

const authz = { version: '1.0', type: 'cedarv1', cedar: { policies: ['permit(principal, action, resource);'] } };
const yaml = `policies: [{ organization: acme, name: p, server: github, config: '\${file:authz}' }]`;

test('a configuration of ToolHive is taken as it is, in JSON or YAML [S2.17]', () => {
  const text = 'version: "1.0"\ntype: cedarv1\ncedar:\n  policies:\n    - permit(principal, action, resource);\n';
  for (const file of [JSON.stringify(authz), JSON.stringify(authz, null, 2), text])
    expect(load({ '/c/gatehouse.yaml': yaml, '/c/authz': file })).toEqual([
      { organization: 'acme', name: 'p', server: 'github', onError: 'deny', mode: 'enforce', config: authz },
    ]);
});

test('a file that is neither, and one that has none, are refused', () => {
  expect(() => load({ '/c/gatehouse.yaml': yaml, '/c/authz': '{' })).toThrow('policies[0].config');
  expect(() => load({ '/c/gatehouse.yaml': yaml, '/c/authz': '- a' })).toThrow('policies[0].config');
  expect(() => load({ '/c/gatehouse.yaml': yaml })).toThrow('does not exist');
});
