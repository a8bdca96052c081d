/** By whichever way a tool is called, its row says who, by which policies, with what and with which credential. */
import { writeFileSync } from 'node:fs';
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
  id: z.string(),
  email: z.string().nullable(),
  subject: z.string().nullable(),
  name: z.string().nullable(),
  policyVersion: z.string().nullable(),
  argumentDigest: z.string().nullable(),
  requestId: z.string(),
  clientAddress: z.string(),
  decision: z.string(),
});

async function lastRow(before: ReadonlySet<string>) {
  const list = async () => {
    const { out } = await cli(['audit', 'list', '--org', 'acme', '--kind', 'call', '--json'], { env: world.env });
    const rows = z.array(rowSchema).parse(JSON.parse(out));
    // Everybody's first call, which makes their row, is of no tool.
    return rows.find(({ id, name, argumentDigest }) => !before.has(id) && name !== 'x' && argumentDigest !== null);
  };
  await expect.poll(list, { timeout: 5000 }).toBeDefined();
  return rowSchema.parse(await list());
}

test('every surface leaves a row with the human, the version of the policies and the digest of the arguments [S3.33] [D12]', {
  timeout: 60_000,
}, async () => {
  const token = await world.token('ann');
  const wish: Wish = { url: world.app.url, shortUrl: world.short.url, server: 'files', tool: 'retrieve', token };
  const seen = new Set<string>();
  const digests = new Map<SurfaceName, string | null>();
  for (const name of Object.keys(callSurfaces) as SurfaceName[]) {
    expect(await callSurfaces[name](wish), name).toBe('ran');
    const row = await lastRow(seen);
    seen.add(row.id);
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
