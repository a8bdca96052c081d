/** What is looked on from outside, through HTTP: files of the trail and of usage, what is told live, health, and who is notified. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { adminTokenFile } from '#admin/admin-token.ts';
import { auditRow } from '#admin/contract/audit.ts';
import { contract } from '#admin/contract.ts';
import { type MailCatcher, openMailCatcher } from '#kit/mail-catcher.ts';
import { tell } from '#kit/portal-data.ts';
import { type PortalBrowser, type PortalWorld, startPortalWorld } from '#kit/portal-world.ts';
import { shellServer } from '#kit/shell-server.ts';

const base = '/admin/api/v1';
const acme = `${base}/organizations/acme`;
const row = z.record(z.string(), z.unknown());

let t: PortalWorld;
let mail: MailCatcher;
let hook: string;
const received: { readonly headers: IncomingHttpHeaders; readonly body: string; readonly url: string }[] = [];
let hookStatus = 200;
const receiver = createServer(async (req, res) => {
  received.push({ headers: req.headers, body: await text(req), url: req.url ?? '' });
  res.writeHead(hookStatus).end();
});
const people: Record<string, PortalBrowser> = {};

beforeAll(async () => {
  mail = await openMailCatcher();
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  hook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/canary-of-hook`;
  t = await startPortalWorld({
    yaml: `egress: { allow: ['127.0.0.1'] }
runner: { sandbox: none }
notifications: { smtp: { host: 127.0.0.1, port: ${mail.port}, from: 'Gatehouse <gatehouse@example.com>' } }
`,
    people: [
      ['ivy', '--org', 'acme', '--roles', 'auditor'],
      ['olga', '--org', 'other', '--roles', 'admin'],
    ],
  });
  for (const name of ['ada', 'bob', 'eve', 'root', 'ivy', 'olga']) people[name] = await t.enter(name);
}, 120_000);
afterAll(async () => {
  await t?.close();
  await mail?.close();
  receiver.close();
});

function who(name: string): PortalBrowser {
  const found = people[name];
  if (!found) throw new Error(`nobody is called ${name}`);
  return found;
}

const items = (body: unknown) => z.object({ items: z.array(row) }).parse(body).items;
const statusesOf = async (method: string, path: string, names: readonly string[], body?: object) => {
  const found = [];
  for (const name of names) {
    const headers = method === 'GET' ? {} : { 'x-csrf-token': await who(name).csrf() };
    found.push((await who(name).ask(method, path, { headers, ...(body && { body }) })).status);
  }
  return found;
};

/** As a page would save it. */
async function fileOf(name: string, path: string) {
  const headers = { cookie: who(name).cookie(), 'sec-fetch-site': 'same-origin' };
  const answer = await fetch(t.url + path, { headers });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

/** Cells of a file as RFC 4180 has them. */
function cellsOf(csv: string): readonly (readonly string[])[] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') rows.push([]);
    if (end === '') break;
  }
  return rows.slice(0, -1);
}

/** Lines of an answer that goes on, until one fits. Throws when it ends before. */
async function lineThat(response: Response, fits: (line: Record<string, unknown>) => boolean) {
  let rest = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const parsed = line === '' ? undefined : row.parse(JSON.parse(line));
      // What is not read on is broken off.
      if (parsed && fits(parsed)) return parsed;
    }
  }
  throw new Error('it ended');
}

const formula = '=HYPERLINK("https://evil.example","x")';
const isFormula = (cell: string) => /^[\s"']*[=+\-@]/.test(cell) && !cell.startsWith("'") && Number.isNaN(Number(cell));

describe('files', () => {
  const exported = `${acme}/audit/export`;

  beforeAll(async () => {
    const headers = { 'user-agent': formula, 'x-csrf-token': await who('ada').csrf() };
    await who('ada').ask('POST', `${acme}/groups`, { body: { name: 'formulas' }, headers });
    await who('olga').ask('GET', `${base}/organizations/other/members`);
    await tell(who('olga'), 'POST /organizations/other/groups', { name: 'not-of-acme' });
    const kept = async () => (await who('ivy').ask('GET', `${acme}/audit?action=group.create`)).text;
    await vi.waitFor(async () => expect(await kept()).toContain('HYPERLINK'), 5000);
  });

  test('of the trail: for spreadsheets, with nothing that they would calculate [H3]', async () => {
    const { status, headers, text: csv } = await who('ivy').ask('GET', `${exported}?format=csv`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename="audit.csv"');
    expect([headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual(['no-store', 'nosniff']);
    const [head = [], ...rows] = cellsOf(csv);
    expect(head.slice(0, 5)).toEqual(['id', 'at', 'organization', 'kind', 'action']);
    expect(rows.every((cells) => cells.length === head.length)).toBe(true);
    const made = rows.find((cells) => cells[head.indexOf('action')] === 'group.create');
    expect(made?.[head.indexOf('user_agent')]).toBe(`'${formula}`);
    expect(rows.flat().filter(isFormula)).toEqual([]);
  });

  test('of the trail: as JSON Lines that say that they are a part, of one organization alone [C16]', async () => {
    const { headers, text: lines } = await fileOf('ivy', `${exported}?format=jsonl&order=oldest`);
    expect(headers.get('content-type')).toContain('ndjson');
    const [head, ...rows] = lines
      .trim()
      .split('\n')
      .map((line) => row.parse(JSON.parse(line)));
    expect(head).toMatchObject({ type: 'export', partial: true });
    const [shape] = rows.map(({ type: _type, ...rest }) => auditRow.parse(rest));
    expect(shape?.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(new Set(rows.map(({ org }) => org)).size).toBe(1);
    expect(lines).not.toContain('not-of-acme');
    // What was done a moment ago is on its way there.
    const whole = async () => (await fileOf('root', `${base}/audit/export?format=jsonl`)).text;
    await expect.poll(whole, { timeout: 5000 }).toContain('not-of-acme');
  });

  test('of the trail: what was asked for and no more; the rest is a page of JSON', async () => {
    const { text: csv } = await who('ivy').ask('GET', `${exported}?format=csv&action=group.create`);
    expect(cellsOf(csv)).toHaveLength(2);
    const { body } = await who('ivy').ask('GET', `${exported}?action=group.create`);
    expect(items(body)).toMatchObject([{ action: 'group.create', target: 'formulas' }]);
    expect((await who('ivy').ask('GET', `${exported}?format=xlsx`)).status).toBe(400);
    const wrong = await who('ivy').ask('GET', `${exported}?format=csv&since=never`);
    expect([wrong.status, wrong.headers.get('content-type')]).toEqual([400, 'application/problem+json; charset=utf-8']);
  });

  test('of usage: figures by what is asked, formulas disarmed [H3]', async () => {
    await t.database.sql(
      `insert into gateway.usage (id, org_id, timestamp, user_email, principal_kind, method, endpoint, endpoint_name, server,
         rpc_method, tool, status_code, response_time_ms, upstream_ms, bytes_in, bytes_out, client_ip, open)
       select gen_random_uuid(), o.id, now() - interval '1 minute', 'bob@example.com', 'user', 'POST', '/acme/mcp', 'x',
         'tracker', 'tools/call', '@SUM(1+1)*cmd|'' /C calc''!A0', 200, 20, 15, 300, 2000, '127.0.0.1', false
       from gateway.organizations o where o.slug = 'acme'`,
    );
    const path = `${acme}/usage/export?by=tool,status`;
    const { headers, text: csv } = await who('ada').ask('GET', `${path}&format=csv`);
    expect(headers.get('content-disposition')).toBe('attachment; filename="usage.csv"');
    const [head = [], ...rows] = cellsOf(csv);
    expect(head.slice(0, 4)).toEqual(['at', 'tool', 'status', 'calls']);
    expect(rows).toContainEqual(expect.arrayContaining(["'@SUM(1+1)*cmd|' /C calc'!A0", '200', '1']));
    const { body } = await who('ada').ask('GET', path);
    expect(contract.exportUsage.output.parse(body).items).toHaveLength(rows.length);
    expect((await who('ada').ask('GET', `${path}&format=jsonl`)).status).toBe(400);
  });

  test('are for those who may read them: auditors the trail, nobody of elsewhere', async () => {
    for (const path of ['audit/export?format=csv', 'audit/export', 'audit/follow', 'audit'])
      expect([path, await statusesOf('GET', `${acme}/${path}`, ['ivy', 'bob', 'eve', 'olga'])]).toEqual([
        ...[path, [200, 403, 403, 403]],
      ]);
    expect(await statusesOf('GET', `${acme}/usage/export?format=csv`, ['ada', 'ivy', 'bob', 'olga'])).toEqual([
      ...[200, 403, 403, 403],
    ]);
    expect(await statusesOf('GET', `${base}/audit/export?format=csv`, ['ada', 'ivy', 'olga'])).toEqual([403, 403, 403]);
  });
});

describe('live', () => {
  const follow = (name: string, path: string, accept = 'application/x-ndjson') =>
    fetch(t.url + path, { headers: { cookie: who(name).cookie(), 'sec-fetch-site': 'same-origin', accept } });

  test('the trail is told as it grows, to whoever may read it, of their organization', async () => {
    const followed = await follow('ivy', `${acme}/audit/follow`);
    expect([followed.status, followed.headers.get('content-type')]).toEqual([
      ...[200, 'application/x-ndjson; charset=utf-8'],
    ]);
    await tell(who('olga'), 'POST /organizations/other/groups', { name: 'told-to-nobody' });
    await tell(who('ada'), 'POST /organizations/acme/groups', { name: 'told' });
    const seen: unknown[] = [];
    const found = await lineThat(followed, ({ action, target }) => {
      seen.push(target);
      return action === 'group.create' && target === 'told';
    });
    expect(found).toMatchObject({ kind: 'admin', decision: 'allow' });
    expect(seen).not.toContain('told-to-nobody');
  });

  test('the whole trail is told to administrators of the gateway alone; without asking for lines it is one answer', async () => {
    expect((await follow('ada', `${base}/audit/follow`)).status).toBe(403);
    expect((await follow('bob', `${acme}/audit/follow`)).status).toBe(403);
    const whole = await follow('root', `${base}/audit/follow`);
    await tell(who('olga'), 'POST /organizations/other/groups', { name: 'told-to-root' });
    expect(await lineThat(whole, ({ target }) => target === 'told-to-root')).toMatchObject({ action: 'group.create' });
    const once = await follow('ivy', `${acme}/audit/follow`, 'application/json');
    expect(items(await once.json()).length).toBeGreaterThan(0);
  });

  test('what a server writes is told line by line, after what it wrote before', async () => {
    const [dash, loop = ''] = shellServer.args;
    const script = loop.replace('do case', 'do n=$((n+1)); echo "beat $n" >&2; case');
    const token = readFileSync(join(t.env.DATA_DIR ?? '', adminTokenFile), 'utf8').trim();
    const run = (line: string, body: object = {}) => {
      const [method = '', path = ''] = line.split(' ');
      const sent = method === 'DELETE' ? {} : { body: JSON.stringify(body) };
      const headers = { authorization: `Bearer ${token}`, ...(sent.body && { 'content-type': 'application/json' }) };
      return fetch(`${t.url}${base}${path}`, { method, headers, ...sent });
    };
    const made = await run('POST /runs', {
      key: 'talker',
      transport: { kind: 'stdio', command: shellServer.command, args: [dash, script] },
    });
    expect(made.status).toBe(201);
    expect((await run('POST /runs/talker/start')).status).toBe(200);
    await tell(who('root'), 'PUT /organizations/acme/servers/talker/enablement', { allMembers: true });
    const call = { endpoint: 'talker', method: 'tools/call', params: { name: 'x', arguments: {} } };
    const talk = () => tell(who('bob'), 'POST /organizations/acme/me/call', call);
    await talk();
    const logs = `${base}/runs/talker/logs`;
    const before = async () => (await who('root').ask('GET', logs)).text;
    await expect.poll(before, { timeout: 5000 }).toContain('beat 2');
    expect(await statusesOf('GET', `${logs}/follow`, ['ada', 'ivy', 'bob'])).toEqual([403, 403, 403]);
    const first = await lineThat(await follow('root', `${logs}/follow?tail=1000`), () => true);
    expect(first).toMatchObject({ text: 'beat 1', at: expect.stringMatching(/Z$/) });
    // The last that it wrote before, and then the first after.
    const followed = await follow('root', `${logs}/follow?tail=1`);
    await talk();
    let lines = 0;
    expect(await lineThat(followed, () => ++lines > 1)).toMatchObject({ text: expect.stringMatching(/^beat/) });
    expect((await run('POST /runs/talker/restart')).status).toBe(200);
    expect((await run('DELETE /runs/talker')).status).toBe(200);
    expect((await who('root').ask('GET', logs)).status).toBe(404);
  });
});

describe('health', () => {
  test('of the parts is for administrators of the gateway, of servers for those of an organization, too', async () => {
    const parts = await who('root').ask('GET', `${base}/status/parts`);
    expect(parts.body).toMatchObject({ database: { state: 'well' }, trail: { accepting: true } });
    const transport = { kind: 'http', url: 'http://127.0.0.1:9/mcp' };
    await tell(who('root'), 'POST /servers', { key: 'down', transport });
    await tell(who('root'), 'POST /servers', { key: 'elsewhere', transport });
    await tell(who('root'), 'PUT /organizations/acme/servers/down/enablement', { allMembers: true });
    await tell(who('root'), 'PUT /organizations/other/servers/elsewhere/enablement', { allMembers: true });
    const call = { endpoint: 'down', method: 'tools/list', params: {} };
    for (let n = 0; n < 12; n++) await tell(who('bob'), 'POST /organizations/acme/me/call', call);
    const states = async () => {
      const { body } = await who('ada').ask('GET', `${acme}/server-health`);
      return items(body).map(({ key, state }) => [key, state]);
    };
    await expect.poll(states, { timeout: 5000 }).toContainEqual(['down', 'failing']);
    const all = items((await who('root').ask('GET', `${base}/servers/health`)).body);
    expect(all.map(({ key }) => key)).toEqual(expect.arrayContaining(['down', 'elsewhere']));
    await tell(who('ada'), 'POST /organizations/acme/servers/down/retry', {});
    for (const path of [`${base}/status/parts`, `${base}/servers/health`])
      expect(await statusesOf('GET', path, ['ada', 'ivy', 'bob'])).toEqual([403, 403, 403]);
    expect(await statusesOf('GET', `${acme}/server-health`, ['olga', 'ivy', 'bob'])).toEqual([403, 403, 403]);
  });
});

describe('notifications', () => {
  const place = '/organizations/acme/notifications';
  const wish = { events: ['server.failing'], threshold: 5 };
  const make = async (body: object) => tell(who('ada'), `POST ${place}`, { ...wish, ...body });
  const deliver = async (id: unknown) => tell(who('ada'), `POST ${place}/${String(id)}/test`, {});
  const listed = async () => (await who('ada').ask('GET', base + place)).text;

  test('a webhook is signed with a secret that is shown once, and its address not at all [H6]', async () => {
    const { id, signingSecret, ...made } = await make({ name: 'pager', kind: 'webhook', url: hook });
    expect(signingSecret).toMatch(/^whsec_/);
    expect(made).toMatchObject({ name: 'pager', target: new URL(hook).host, enabled: true, sentAt: null });
    expect(await deliver(id)).toEqual({ delivered: true, failure: null });
    const { headers, body } = received.at(-1) ?? { headers: {}, body: '' };
    const payload = new Webhook(String(signingSecret)).verify(body, headers as Record<string, string>);
    expect(payload).toMatchObject({ type: 'gatehouse.test', data: { organization: 'acme' } });
    expect(() => new Webhook(String(signingSecret)).verify(`${body} `, headers as Record<string, string>)).toThrow();
    expect(await listed()).not.toMatch(/canary|whsec/);
    // Again at once: somebody else's machine is not knocked at.
    const again = await who('ada').ask('POST', `${base}${place}/${String(id)}/test`, {
      ...{ body: {}, headers: { 'x-csrf-token': await who('ada').csrf() } },
    });
    expect(again.status).toBe(429);
    const moved = await tell(who('ada'), `PATCH ${place}/${String(id)}`, { url: `${hook}/moved`, name: 'pager 2' });
    expect(JSON.stringify(moved)).not.toMatch(/canary|whsec/);
    t.clock.advance(6000);
    hookStatus = 500;
    expect(await deliver(id)).toEqual({ delivered: false, failure: 'It answered 500' });
    hookStatus = 200;
    expect(items(JSON.parse(await listed()))).toMatchObject([{ name: 'pager 2', failure: 'It answered 500' }]);
    const last = received.at(-1);
    expect(last?.url).toMatch(/moved$/);
    new Webhook(String(signingSecret)).verify(last?.body ?? '', last?.headers as Record<string, string>);
    await tell(who('ada'), `DELETE ${place}/${String(id)}`);
    expect(items(JSON.parse(await listed()))).toEqual([]);
  });

  test('a Slack-style webhook has a text in which no name is a link; e-mail goes through the mail server', async () => {
    const slack = await make({ name: '<!channel> & co', kind: 'slack', url: hook });
    expect(slack.signingSecret).toBeNull();
    expect(await deliver(slack.id)).toEqual({ delivered: true, failure: null });
    const said = z.strictObject({ text: z.string() }).parse(JSON.parse(received.at(-1)?.body ?? '')).text;
    expect(said).toContain('&lt;!channel&gt; &amp; co');
    const email = await make({ name: 'office', kind: 'email', to: ['office@acme.example', 'two@acme.example'] });
    expect(email.target).toBe('office@acme.example and 1 more');
    expect(await deliver(email.id)).toEqual({ delivered: true, failure: null });
    expect(mail.mails).toMatchObject([
      { from: 'gatehouse@example.com', to: ['office@acme.example', 'two@acme.example'] },
    ]);
    expect(JSON.parse(await listed()).canMail).toBe(true);
  });

  test('a target that does not fit, or is inside, is refused; so is whoever has no right', async () => {
    const refused = [
      { name: 'x', kind: 'webhook', ...wish, url: 'http://169.254.169.254/latest' },
      { name: 'x', kind: 'webhook', ...wish, url: 'http://10.0.0.1/' },
      { name: 'x', kind: 'webhook', ...wish, to: ['a@acme.example'] },
      { name: 'x', kind: 'email', ...wish, url: hook },
      { name: 'x', kind: 'email', ...wish, to: ['a@acme.example\r\nBcc: b@acme.example'] },
      { name: 'x', kind: 'slack', ...wish, url: 'file:///etc/passwd' },
    ];
    for (const body of refused)
      expect([body, await statusesOf('POST', base + place, ['ada'], body)]).toEqual([body, [400]]);
    const right = { name: 'x', kind: 'slack', ...wish, url: hook };
    expect(await statusesOf('POST', base + place, ['bob', 'ivy', 'eve', 'olga'], right)).toEqual([403, 403, 403, 403]);
    expect(await statusesOf('GET', base + place, ['bob', 'ivy', 'eve', 'olga'])).toEqual([403, 403, 403, 403]);
  });

  test('neither the trail nor the database has the address or the secret in the clear [I1]', async () => {
    const trail = async () => (await who('ivy').ask('GET', `${acme}/audit?limit=1000`)).text;
    await expect.poll(trail, { timeout: 5000 }).toContain('notification.test');
    expect(await trail()).not.toMatch(/canary-of-hook|whsec_/);
    const rows = await t.database.sql('select * from gateway.notification_rules');
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toMatch(/canary-of-hook|whsec_/);
  });
});
