/** An organization that has been used for a while: something on every page of the portal. */
import type { PortalBrowser, PortalWorld } from './portal-world.ts';
import { startToolServer, type ToolServer } from './tool-server.ts';

type Body = Readonly<Record<string, unknown>>;

/** `POST /servers` below the API's base, as a page of the portal would ask. Throws when it is refused. */
export async function tell(browser: PortalBrowser, line: string, body?: Body): Promise<Record<string, unknown>> {
  const [method = '', path = ''] = line.split(' ');
  const headers = method === 'GET' ? {} : { 'x-csrf-token': await browser.csrf() };
  const answer = await browser.ask(method, `/admin/api/v1${path}`, { headers, ...(body && { body }) });
  if (answer.status >= 300) throw new Error(`${line}: ${answer.status} ${answer.text}`);
  return answer.body;
}

export const exampleTools = [
  {
    name: 'search_issues',
    title: 'Search issues',
    description: 'Issues that match a query, newest first.',
    inputSchema: {
      type: 'object',
      required: ['query'],
      properties: {
        query: { type: 'string', description: 'What to look for' },
        limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
        state: { type: 'string', enum: ['open', 'closed'] },
      },
    },
    annotations: { readOnlyHint: true },
  },
  {
    name: 'create_issue',
    title: 'Create an issue',
    description: 'Opens an issue in a repository.',
    inputSchema: {
      type: 'object',
      required: ['title'],
      properties: { title: { type: 'string' }, labels: { type: 'array', items: { type: 'string' } } },
    },
    annotations: { destructiveHint: false },
  },
  {
    name: 'close_issue',
    description: 'Closes an issue.',
    inputSchema: { type: 'object', properties: { number: { type: 'integer' } } },
    annotations: { destructiveHint: true },
  },
] as const;

export interface FilledPortal {
  readonly upstream: ToolServer;
  close(): Promise<void>;
}

type Filled = Pick<PortalWorld, 'enter' | 'database' | 'url'>;

export async function fillPortal(world: Filled): Promise<FilledPortal> {
  const upstream = await startToolServer({ era: 'modern' });
  upstream.tools = exampleTools;
  const [root, ada, bob] = [await world.enter('root'), await world.enter('ada'), await world.enter('bob')];
  const acme = '/organizations/acme';
  const server = (key: string, title: string, url: string) =>
    tell(root, 'POST /servers', { key, title, transport: { kind: 'http', url } });
  await server('tracker', 'Issue tracker', upstream.url);
  await server('wiki', 'Wiki', upstream.url);
  await server('billing', 'Billing (down)', 'http://127.0.0.1:9/mcp');
  for (const key of ['tracker', 'wiki', 'billing']) {
    const enablement = { allMembers: key === 'tracker' };
    await tell(root, `PUT ${acme}/servers/${key}/enablement`, enablement);
  }
  await tell(ada, `POST ${acme}/collections`, {
    name: 'research',
    allowedRoles: '*',
    bindings: [{ server: 'tracker', enforced: { search_issues: { query: { team: 'red' } } } }, { server: 'wiki' }],
  });
  for (const [name, title] of [
    ['Tenant-Red', 'The red team'],
    ['Tenant-Blue', 'The blue team'],
  ] as const) {
    await tell(ada, `POST ${acme}/groups`, { name, title });
    await tell(ada, `POST ${acme}/groups/${name}/members`, { email: `${name.toLowerCase()}@example.com` });
    await tell(ada, `PUT ${acme}/grants`, { group: name, server: 'tracker', tools: ['search_issues'] });
  }
  await tell(ada, `POST ${acme}/members`, { email: 'new@example.com', roles: ['member'] });
  await tell(ada, `POST ${acme}/credentials`, { server: 'wiki', group: 'Tenant-Red', credential: 'canary-of-red' });
  await tell(ada, `POST ${acme}/keys`, { name: 'nightly report' });
  await tell(ada, `POST ${acme}/service-accounts`, { name: 'robot' });
  await tell(ada, `POST ${acme}/policies`, {
    name: 'everybody',
    policies: 'permit(principal, action, resource);',
  });
  await tell(ada, `POST ${acme}/limits`, { counts: 'organization', points: 1000 });
  await tell(bob, `POST ${acme}/me/access-requests`, { server: 'wiki', reason: 'to write the handbook' });
  await tell(bob, `POST ${acme}/me/keys`, { name: 'laptop' });
  const args = { name: 'tracker_search_issues', arguments: { query: 'red' } };
  for (const name of [args.name, args.name, 'tracker_none'])
    await tell(bob, `POST ${acme}/me/call`, { endpoint: '', method: 'tools/call', params: { ...args, name } });
  await insertUsage(world);
  return { upstream, close: () => upstream.close() };
}

/** A day of calls, as they would have been counted. */
const insertUsage = ({ database }: Filled) =>
  database.sql(
    `insert into gateway.usage (id, org_id, timestamp, user_email, principal_kind, method, endpoint, endpoint_name, server,
       rpc_method, tool, status_code, response_time_ms, upstream_ms, bytes_in, bytes_out, client_ip, open)
     select gen_random_uuid(), o.id, now() - n * interval '3 minutes', 'bob@example.com', 'user', 'POST', '/acme/mcp', 'research',
       'tracker', 'tools/call', (array['search_issues', 'create_issue', 'close_issue'])[1 + n % 3],
       case when n % 17 = 0 then 502 else 200 end, 20 + n % 90, 15 + n % 70, 300, 2000, '127.0.0.1', false
     from generate_series(1, 480) n, gateway.organizations o where o.slug = 'acme'`,
  );
