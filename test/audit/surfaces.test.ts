/** By whichever way a tool is called, its row says who, by which policies, with what and with which credential. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { callSurfaces, type SurfaceName, type Wish } from '#kit/access-surfaces.ts';
import { type AccessWorld, startAccessWorld } from '#kit/access-world.ts';
import { cli } from '#kit/run-cli.ts';

let world: AccessWorld;
beforeAll(async () => {
  world = await startAccessWorld({
    people: ['ann'],
    servers: ['files'],
    yaml: 'enablements: [{ organization: acme, server: files, allMembers: true }]',
  });
  const file = join(world.env.DATA_DIR ?? '', 'p.cedar');
  writeFileSync(file, 'permit(principal, action, resource);');
  const put = await cli(['policy', 'put', 'p', '--file', file, '--org', 'acme'], { env: world.env });
  expect(put.code).toBe(0);
}, 60_000);
afterAll(() => world?.close());

const rowSchema = z.object({
  at: z.string(),
  email: z.string().nullable(),
  subject: z.string().nullable(),
  name: z.string().nullable(),
  policyVersion: z.string().nullable(),
  argumentDigest: z.string().nullable(),
  requestId: z.string(),
  clientAddress: z.string(),
  decision: z.string(),
});

async function listRows() {
  const { out } = await cli(['audit', 'list', '--org', 'acme', '--kind', 'call', '--json'], { env: world.env });
  return z.array(rowSchema).parse(JSON.parse(out));
}

async function rowSince(sinceMs: number) {
  const find = async () =>
    (await listRows()).find(({ at, argumentDigest }) => Date.parse(at) >= sinceMs && argumentDigest !== null);
  await expect.poll(find, { timeout: 5000 }).toBeDefined();
  return rowSchema.parse(await find());
}

/** Both gateways hear of the policy within a second. */
async function inForce(name: SurfaceName, wish: Wish): Promise<void> {
  const sinceMs = Date.now();
  const judged = async () => {
    await callSurfaces[name](wish);
    return (await listRows()).some(({ at, policyVersion }) => Date.parse(at) >= sinceMs && policyVersion === 'p@1');
  };
  await expect.poll(judged, { timeout: 5000 }).toBe(true);
}

test('every surface leaves a row with the human, the version of the policies and the digest of the arguments [S3.33] [D12]', {
  timeout: 60_000,
}, async () => {
  const token = await world.token('ann');
  const wish: Wish = { url: world.app.url, shortUrl: world.short.url, server: 'files', tool: 'retrieve', token };
  await inForce('HTTP, modern', wish);
  await inForce('meta tool', wish);
  const digests = new Map<SurfaceName, string | null>();
  for (const name of Object.keys(callSurfaces) as SurfaceName[]) {
    const sinceMs = Date.now();
    expect(await callSurfaces[name](wish), name).toBe('ran');
    const row = await rowSince(sinceMs);
    expect(row, name).toMatchObject({ subject: 'ann', email: 'ann@Example.com', policyVersion: 'p@1' });
    expect(row.requestId, name).not.toBe('');
    expect(row.clientAddress, name).toBe('127.0.0.1');
    digests.set(name, row.argumentDigest);
  }
  // A meta tool's own arguments name the tool as well.
  const { 'meta tool': meta, '/meta/call_tool': post, ...same } = Object.fromEntries(digests);
  expect(new Set(Object.values(same)).size).toBe(1);
  expect(new Set([...Object.values(same), meta, post]).size).toBeGreaterThan(1);
});

test('what is changed on the database itself is of the command line, whoever that is [S3.33]', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-offline-'));
  try {
    const env = { ...world.env, DATA_DIR: folder };
    const made = await cli(['key', 'create', '--org', 'acme', '--name', 'offline', '--json'], { env });
    expect(made.code).toBe(0);
    const rows = await world.database.sql(
      `select kind, subject, principal_kind, decision from gateway.audit where action = 'key.create' and target = 'offline'`,
    );
    expect(rows).toEqual([{ kind: 'admin', subject: 'command line', principal_kind: null, decision: 'allow' }]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
