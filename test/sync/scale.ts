/** A whole company at once: through SCIM's bulk and PATCH, and through the webhooks of a directory. */
import { createHmac } from 'node:crypto';
import type { ScimClient, ScimWorld } from '#kit/scim-world.ts';

export interface Company {
  readonly users: number;
  readonly groups: number;
  /** Of each group. */
  readonly members: number;
}

const bulkSize = 1000;
const groupsAtOnce = 250;

async function bulk(client: ScimClient, operations: readonly object[]): Promise<readonly string[]> {
  const answer = await client.request('POST', '/Bulk', { Operations: operations });
  const done = (answer.body.Operations ?? []) as readonly { readonly status: string; readonly location: string }[];
  const failed = done.find(({ status }) => !/^2/.test(status));
  if (answer.status !== 200 || failed || done.length !== operations.length)
    throw new Error(`bulk: ${answer.status} ${JSON.stringify(failed ?? answer.body).slice(0, 300)}`);
  return done.map(({ location }) => location.slice(location.lastIndexOf('/') + 1));
}

const chunks = <T>(items: readonly T[], size: number) =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const memberOf = (group: number, nth: number, { users }: Company) => (group * 7 + nth * 131) % users;

/** Users by bulk, groups with half of their members by bulk, the other half by PATCH. Milliseconds. */
export async function syncByScim(client: ScimClient, company: Company): Promise<number> {
  const from = performance.now();
  const ids: string[] = [];
  for (const chunk of chunks(numbers(company.users), bulkSize)) {
    const operations = chunk.map((n) => {
      const emails = [{ value: `u${n}@acme.example`, type: 'work', primary: true }];
      const name = { givenName: `Given${n}`, familyName: `Family${n}` };
      return {
        method: 'POST',
        path: '/Users',
        bulkId: `u${n}`,
        data: { userName: `u${n}@acme.example`, externalId: `oid-${n}`, name, emails },
      };
    });
    ids.push(...(await bulk(client, operations)));
  }
  const half = Math.floor(company.members / 2);
  const membersOf = (group: number, start: number, end: number) =>
    numbers(end - start).map((n) => ({ value: ids[memberOf(group, start + n, company)] }));
  const groups: string[] = [];
  for (const chunk of chunks(numbers(company.groups), groupsAtOnce)) {
    const operations = chunk.map((n) => {
      const data = { displayName: `Group ${n}`, externalId: `gid-${n}`, members: membersOf(n, 0, half) };
      return { method: 'POST', path: '/Groups', bulkId: `g${n}`, data };
    });
    groups.push(...(await bulk(client, operations)));
  }
  const changes = groups.map((id, n) => {
    const value = membersOf(n, half, company.members);
    return { method: 'PATCH', path: `/Groups/${id}`, data: { Operations: [{ op: 'Add', path: 'members', value }] } };
  });
  for (const chunk of chunks(changes, groupsAtOnce)) await bulk(client, chunk);
  return performance.now() - from;
}

const atOnce = 16;

/** Every user, group and membership as an event of its own. Milliseconds. */
export async function syncByWebhooks(
  { app }: Pick<ScimWorld, 'app'>,
  secret: string,
  company: Company,
): Promise<number> {
  const organization_id = 'org_other';
  const user = (n: number) => ({
    id: `directory_user_${n}`,
    organization_id,
    username: `w${n}`,
    state: 'active',
    emails: [{ primary: true, value: `w${n}@other.example` }],
  });
  const group = (n: number) => ({ id: `directory_group_${n}`, organization_id, name: `Team ${n}` });
  const from = performance.now();
  let serial = 0;
  const send = async (event: string, data: object) => {
    const body = JSON.stringify({ id: `event_${serial++}`, event, data, created_at: new Date().toISOString() });
    const time = Date.now();
    const v1 = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
    const headers = { 'content-type': 'application/json', 'workos-signature': `t=${time}, v1=${v1}` };
    const answer = await fetch(`${app.url}/api/webhooks/workos`, { method: 'POST', headers, body });
    const said = await answer.text();
    if (!said.includes('"done"')) throw new Error(`${event}: ${answer.status} ${said}`);
  };
  const all = async (events: readonly (() => Promise<void>)[]) => {
    let next = 0;
    const work = async () => {
      for (let event = events[next++]; event; event = events[next++]) await event();
    };
    await Promise.all(numbers(atOnce).map(work));
  };
  await all(numbers(company.users).map((n) => () => send('dsync.user.created', user(n))));
  await all(numbers(company.groups).map((n) => () => send('dsync.group.created', group(n))));
  const memberships = numbers(company.groups).flatMap((g) =>
    numbers(company.members).map(
      (m) => () => send('dsync.group.user_added', { group: group(g), user: user(memberOf(g, m, company)) }),
    ),
  );
  await all(memberships);
  return performance.now() - from;
}
