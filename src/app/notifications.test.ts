import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asOrgId, type OrgId, uuidv7 } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { withOrganization } from '#db/scope.ts';
import { openEgress } from '#http/egress.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { type MailCatcher, openMailCatcher } from '#kit/mail-catcher.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { getNotificationRule, insertNotificationRule, type NotificationKind } from '#records/notifications.ts';
import { openDelivery } from './notification-delivery.ts';
import { openNotifications } from './notifications.ts';

interface Received {
  readonly body: string;
  readonly headers: Record<string, string>;
}

const received: Received[] = [];
let status = 200;
const receiver = createServer(async (req, res) => {
  received.push({ body: await text(req), headers: req.headers as Record<string, string> });
  res.writeHead(status).end();
});
const clock = manualClock();
const egress = openEgress({ allow: ['127.0.0.1'] });
let database: TestDatabase;
let mail: MailCatcher;
let org: OrgId;
let url: string;

beforeAll(async () => {
  [database, mail] = await Promise.all([createTestDatabase(), openMailCatcher()]);
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook/secret-path`;
  const [made] = await database.sql(
    `insert into gateway.organizations (slug, name) values ('acme', 'Acme') returning id`,
  );
  org = asOrgId(String(made?.id));
}, 60_000);

afterAll(async () => {
  receiver.close();
  await Promise.all([egress.close(), mail.close(), database.close()]);
});

/** What is sealed is the vault's own matter (records/vault.test.ts). */
const vault = {
  seal: async (_org: OrgId, _place: object, plain: string) => plain,
  open: async (_org: OrgId, _place: object, sealed: string) => ({ reveal: () => sealed }) as never,
};

function open() {
  const smtp = { host: '127.0.0.1', port: mail.port, secure: false, from: 'Gatehouse <gatehouse@example.com>' };
  return openNotifications({
    ...{ db: database.db, vault, clock, log: silentLog, guard: egress.guard, canMail: true, servers: () => [] },
    ...{ baseUrl: 'https://gw.example', delivery: openDelivery({ egress, smtp }) },
  });
}

async function make(kind: NotificationKind, target: object): Promise<{ id: string; secret: string | undefined }> {
  const id = uuidv7(clock.now());
  const { signingSecret, ...sealed } = await open().seal({ org, id, kind }, target);
  const rule = { name: kind, kind, events: ['key.expiring' as const], threshold: 20, enabled: true, ...sealed };
  await withOrganization(database.db, org, (scope) => insertNotificationRule(scope, id, rule));
  return { id, secret: signingSecret };
}

const addKey = (name: string) =>
  database.sql(
    `insert into gateway.api_keys (id, org_id, name, digest, last4, roles, expires_at) values ($1::text, $2, $1::text, convert_to($1::text, 'UTF8'), '', '[]', $3)`,
    [name, org, new Date(clock.now() + 86_400_000)],
  );

test('what is new is told once, signed, in one message, and a target that is away is tried again [S3.28]', async () => {
  const { id, secret = '' } = await make('webhook', { url });
  await addKey('robot');
  await addKey('=evil\r\nBcc: x');
  const notifications = open();
  status = 500;
  await notifications.run();
  expect(received).toHaveLength(1);
  const failed = await withOrganization(database.db, org, (scope) => getNotificationRule(scope, id));
  expect(failed).toMatchObject({
    failures: 1,
    failure: 'It answered 500',
    shown: expect.not.stringContaining('secret'),
  });
  status = 200;
  clock.advance(61_000);
  await notifications.run();
  expect(received).toHaveLength(2);
  const [first, second] = received;
  const payload = new Webhook(secret).verify(second?.body ?? '', second?.headers ?? {});
  expect(payload).toMatchObject({ type: 'gatehouse.notification', data: { organization: 'acme' } });
  expect(JSON.parse(second?.body ?? '').data.items).toHaveLength(2);
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  clock.advance(3_600_000);
  await notifications.run();
  expect(received).toHaveLength(2);
});

test('e-mail goes through the mail server of the settings; a Slack message names nobody', async () => {
  await make('email', { to: ['ada@acme.example'] });
  await make('slack', { url });
  clock.advance(60_000);
  await open().run();
  expect(mail.mails).toHaveLength(1);
  expect(mail.mails[0]).toMatchObject({ to: ['ada@acme.example'] });
  expect(mail.mails[0]?.text).not.toMatch(/^Bcc:/m);
  expect(JSON.parse(received.at(-1)?.body ?? '{}').text).toContain('robot');
});

test('an address of the inside is refused when it is entered [S5]', async () => {
  const place = { org, id: uuidv7(clock.now()), kind: 'slack' as const };
  await expect(open().seal(place, { url: 'http://169.254.169.254/latest' })).rejects.toMatchObject({
    code: 'bad_request',
  });
});
