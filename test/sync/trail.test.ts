/** What directories change by SCIM, in the trail. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ScimWorld, startScimWorld } from '#kit/scim-world.ts';

let world: ScimWorld;
beforeAll(async () => {
  world = await startScimWorld();
}, 120_000);
afterAll(() => world?.close());

const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';
const patchUrn = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

test('what a directory changes is in the trail: by which key, from where, what came of it; each part of a bulk too [S3.33]', async () => {
  const { acme } = world;
  const id = String(
    (await acme.request('POST', '/Users', { schemas: [userUrn], userName: 'on.record@acme.example' })).body.id,
  );
  await acme.request('PATCH', `/Users/${id}`, {
    schemas: [patchUrn],
    Operations: [{ op: 'replace', path: 'active', value: false }],
  });
  await acme.request('DELETE', '/Users/00000000-0000-7000-8000-000000000000');
  const Operations = [{ method: 'DELETE', path: `/Users/${id}` }];
  await acme.request('POST', '/Bulk', { schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'], Operations });
  const rows = () =>
    world.database.sql(
      `select action, decision, reason, target, detail, principal_kind, client_address from gateway.audit a
       where action like 'scim.%' and org_id = (select id from gateway.organizations where slug = 'acme') and not open`,
    );
  const row = {
    principal_kind: 'api-key',
    client_address: '127.0.0.1',
    decision: 'allow',
    reason: null,
    detail: { by: 'key' },
  };
  for (const one of [
    { ...row, action: 'scim.user.create', detail: { by: 'key', made: id } },
    { ...row, action: 'scim.user.change', target: id },
    { ...row, action: 'scim.user.remove', decision: 'deny', reason: 'not_found' },
    { ...row, action: 'scim.user.remove', target: id },
    { ...row, action: 'scim.bulk', detail: { by: 'key', operations: 1 } },
  ])
    await expect.poll(rows, { timeout: 3000 }).toContainEqual(expect.objectContaining(one));
});
