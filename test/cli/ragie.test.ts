/** From `db create-collection` and from a mapping file to a call at the upstream, on PostgreSQL, outside the demo. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { cli } from '#kit/run-cli.ts';

let database: TestDatabase;
let upstream: RecordingUpstream;
let gateway: RunningGateway;
let folder: string;

beforeAll(async () => {
  [database, upstream] = await Promise.all([createTestDatabase(), startRecordingUpstream()]);
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-ragie-'));
  const mapping = { org_map: { docs: { partition: 'mapped', apiKey: 'tnt_mapped', allowedRoles: ['admin'] } } };
  await writeFile(join(folder, 'mapping.json'), JSON.stringify(mapping));
  const env = { DATABASE_URL: database.url, ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' };
  const flags = {
    name: 'policies',
    'organization-id': 'org_123',
    partition: 'soc2',
    'ragie-api-key': 'tnt_stored',
    'allowed-roles': 'admin',
    filters: '{"department":"legal"}',
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  expect(await cli(['db', 'create-collection', ...args], { env })).toMatchObject({ code: 0 });
  const more = { RAGIE_BASE_URL: `${upstream.url}/`, MAPPING_FILE: join(folder, 'mapping.json') };
  gateway = await startGateway({ configYaml: '', env: { ...env, ...more } });
}, 120_000);

afterAll(async () => {
  await gateway?.stop();
  await upstream?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

async function retrieve(path: string, key: string) {
  upstream.clear();
  const params = { name: 'retrieve', arguments: { query: 'q', filter: { department: 'sales', year: 2026 } } };
  return fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  });
}

test('a collection made by the command is called with its partition, key and filter [S0.7] [S0.8] [S0.17] [S0.18]', async () => {
  const answer = await retrieve('/org_123/mcp/policies', await createKey(gateway, 'org_123', '--roles', 'admin'));
  expect(answer.status).toBe(200);
  const [request] = upstream.requests;
  expect(request?.target).toBe('/mcp/soc2/');
  expect(request?.headers.authorization).toBe('Bearer tnt_stored');
  expect(request?.rpc.params?.arguments).toEqual({ query: 'q', filter: { department: 'legal', year: 2026 } });
});

test('a role that the collection does not list is refused [S0.4]', async () => {
  const answer = await retrieve('/org_123/mcp/policies', await createKey(gateway, 'org_123', '--roles', 'member'));
  expect(answer.status).toBe(403);
  expect(upstream.requests).toEqual([]);
});

test('a collection of the mapping file is called the same way [S0.24]', async () => {
  const answer = await retrieve('/org_map/mcp/docs', await createKey(gateway, 'org_map', '--roles', 'admin'));
  expect(answer.status).toBe(200);
  expect(upstream.requests[0]?.target).toBe('/mcp/mapped/');
  expect(upstream.requests[0]?.headers.authorization).toBe('Bearer tnt_mapped');
});
