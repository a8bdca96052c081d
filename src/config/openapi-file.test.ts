import { expect, test } from 'vitest';
import { loadConfig } from './load.ts';

test('the file of an OpenAPI document is beside the configuration, unless its path is absolute', () => {
  const servers = '{ key: near, openapi: { file: apis/a.json } }, { key: far, openapi: { file: /srv/b.json } }';
  const config = loadConfig({
    env: { GATEHOUSE_CONFIG: '/etc/gatehouse/gatehouse.yaml' },
    cwd: '/w',
    readFile: (path) => (path === '/etc/gatehouse/gatehouse.yaml' ? `servers: [${servers}]` : undefined),
  });
  expect(config.servers.map(({ openapi }) => openapi?.file)).toEqual(['/etc/gatehouse/apis/a.json', '/srv/b.json']);
});
