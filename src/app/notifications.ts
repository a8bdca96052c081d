/**
 * What needs somebody, told: every half minute each rule is looked after by one replica. What is new since the last
 * message goes out in one, at most every five minutes; a target that is away is tried again, a few times.
 */
import { createHash } from 'node:crypto';
import type { Notifier } from '#admin/routes/notifications.ts';
import type { KnownServer } from '#admin/routes/server-health.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import type { AddressGuard } from '#http/address-guard.ts';
import type { Egress } from '#http/egress.ts';
import { type Notable, notableFinders } from '#records/notable.ts';
import {
  claimNotificationRules,
  type NotificationRule,
  noteNotification,
  notificationPlace,
} from '#records/notifications.ts';
import type { Vault } from '#records/vault.ts';
import type { Closers } from './closers.ts';
import type { DataPlane } from './data-plane.ts';
import { type Delivery, type Message, openDelivery, targetOf } from './notification-delivery.ts';
import type { Storage } from './storage.ts';

export interface NotificationsDeps {
  readonly db: Db;
  readonly vault: Pick<Vault, 'open' | 'seal'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly delivery: Delivery;
  readonly guard: AddressGuard;
  readonly canMail: boolean;
  readonly baseUrl: string;
  readonly servers: () => readonly KnownServer[];
}

export interface Notifications extends Notifier {
  /** Never rejects. */
  run(): Promise<void>;
}

export const everyMs = 30_000;
const quietMs = 300_000;
const rulesAtOnce = 50;
const retryMs = 30_000;
const mostFailures = 6;
/** Of one message. */
const mostItems = 50;
const testEveryMs = 5000;

export function openNotifications(deps: NotificationsDeps): Notifications {
  const { db, vault, clock, log, delivery, guard } = deps;
  const tested = new Map<string, number>();
  const open = async ({ org, id, sealed }: NotificationRule) =>
    (await vault.open(org, notificationPlace(id), sealed)).reveal();
  const send = async (rule: NotificationRule, message: Message) => {
    try {
      return await delivery.send(rule.kind, await open(rule), message);
    } catch {
      return 'Its target cannot be opened: enter it again';
    }
  };
  return {
    canMail: deps.canMail,
    async seal({ org, id, kind }, given, before) {
      const { text, ...shown } = await targetOf(kind, given, { guard, before: before && (await open(before)) });
      return { ...shown, sealed: await vault.seal(org, notificationPlace(id), text) };
    },
    async test(rule) {
      const last = tested.get(rule.id) ?? Number.NEGATIVE_INFINITY;
      const now = clock.monotonic();
      if (now - last < testEveryMs)
        throw new GatehouseError('rate_limited', { message: 'Wait a moment, then test again' });
      for (const [id, at] of tested) if (now - at >= testEveryMs) tested.delete(id);
      tested.set(rule.id, now);
      const slug = await slugOf(db, rule.org);
      const item = {
        event: 'test',
        text: `This is a test of "${rule.name}"`,
        url: pageOf(deps, slug, 'notifications'),
      };
      const nonce = `${rule.id} ${clock.now()}`;
      const message = { id: messageId([nonce]), at: clock.now(), type: 'gatehouse.test', organization: slug } as const;
      const failure = await send(rule, { ...message, items: [item] });
      await withPlatform(db, (scope) => noteNotification(scope, rule.id, outcome(clock, failure)));
      return failure;
    },
    async run() {
      try {
        const claim = { nowMs: clock.now(), everyMs: everyMs - 5000, limit: rulesAtOnce };
        const rules = await withPlatform(db, (scope) => claimNotificationRules(scope, claim));
        await Promise.all(rules.map((rule) => look(deps, rule, send)));
      } catch (err) {
        log.warn({ err }, 'notifications have to wait');
      }
    },
  };
}

const outcome = (clock: Clock, failure: string | undefined) =>
  failure === undefined
    ? { sentAt: clock.now(), failures: 0, failure: null, retryAt: null }
    : { failedAt: clock.now(), failure };

type Send = (rule: NotificationRule, message: Message) => Promise<string | undefined>;

/** Never rejects. */
async function look(deps: NotificationsDeps, rule: NotificationRule, send: Send): Promise<void> {
  const { db, clock, log } = deps;
  try {
    const now = await findNotable(deps, rule);
    const isSo = new Set(now.map(({ id }) => id));
    const still = rule.told.filter((id) => isSo.has(id));
    const fresh = now.filter(({ id }) => !rule.told.includes(id));
    const note = (progress: Parameters<typeof noteNotification>[2]) =>
      withPlatform(db, (scope) => noteNotification(scope, rule.id, progress));
    const isQuiet = rule.sentAt !== undefined && clock.now() - rule.sentAt < quietMs;
    if (fresh.length === 0 || isQuiet) {
      if (still.length < rule.told.length) await note({ told: still });
      return;
    }
    const failure = await send(rule, await messageOf(deps, rule, fresh));
    const told = [...still, ...fresh.map(({ id }) => id)];
    if (failure === undefined) return await note({ told, ...outcome(clock, undefined) });
    const failures = rule.failures + 1;
    log.warn({ rule: rule.id, org: rule.org, failures }, 'a notification was not delivered');
    // Whoever cannot be reached for an hour hears of what is new then, not of this any more.
    if (failures >= mostFailures) await note({ told, ...outcome(clock, failure), failures: 0, retryAt: null });
    else await note({ ...outcome(clock, failure), failures, retryAt: clock.now() + retryMs * 2 ** failures });
  } catch (err) {
    log.warn({ err, rule: rule.id }, 'a notification has to wait');
  }
}

async function findNotable(
  { db, clock, servers }: NotificationsDeps,
  rule: NotificationRule,
): Promise<readonly Notable[]> {
  const asked = { nowMs: clock.now(), threshold: rule.threshold };
  const found = await withOrganization(db, rule.org, async (scope) => {
    const lists: Notable[] = [];
    for (const event of rule.events)
      if (event !== 'server.failing') lists.push(...(await notableFinders[event](scope, asked)));
    if (!rule.events.includes('server.failing')) return lists;
    const enabled = await scope.tx.selectFrom('enablements').select('server_id').where('enabled', '=', true).execute();
    const ids = new Set(enabled.map(({ server_id }) => server_id));
    const failing = servers().filter(
      ({ id, healthy, refused }) => ids.has(id) && (healthy === 0 || refused.some(({ org }) => org === rule.org)),
    );
    return [...lists, ...failing.map(({ id, key }) => failingServer(id, key))];
  });
  return found;
}

const failingServer = (id: string, key: string): Notable => ({
  ...{ id: `server:${id}`, event: 'server.failing', page: `servers/${key}` },
  text: `Server "${key}" does not answer as it should`,
});

async function messageOf(
  deps: NotificationsDeps,
  { id, org }: NotificationRule,
  fresh: readonly Notable[],
): Promise<Message> {
  const slug = await slugOf(deps.db, org);
  const items = fresh
    .slice(0, mostItems)
    .map(({ event, text, page }) => ({ event, text, url: pageOf(deps, slug, page) }));
  const rest = fresh.length - items.length;
  const more = { event: 'more', text: `and ${rest} more`, url: pageOf(deps, slug, 'overview') };
  return {
    ...{ id: messageId([id, ...fresh.map((one) => one.id)]), at: deps.clock.now(), type: 'gatehouse.notification' },
    ...{ organization: slug, items: rest > 0 ? [...items, more] : items },
  };
}

/** Of the same matters the same, so that receivers tell a repeated attempt. */
const messageId = (parts: readonly string[]): string =>
  `msg_${createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 27)}`;

const pageOf = ({ baseUrl }: NotificationsDeps, slug: string, page: string): string =>
  `${baseUrl}/mcp-admin/o/${slug}/${page}`;

async function slugOf(db: Db, org: OrgId): Promise<string> {
  const row = await withPlatform(db, ({ tx }) =>
    tx.selectFrom('organizations').select('slug').where('id', '=', org).executeTakeFirst(),
  );
  return row?.slug ?? org;
}

interface StartDeps {
  readonly storage: Pick<Storage, 'db' | 'vault'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
  readonly egress: Egress;
  readonly baseUrl: string;
  readonly plane: Pick<DataPlane, 'figures'>;
}

/** On a timer that holds no process. */
export function startNotifications(config: Config, deps: StartDeps): Notifications {
  const { storage, closers, egress, plane } = deps;
  const { smtp } = config.notifications;
  const notifications = openNotifications({
    ...{ ...deps, db: storage.db, vault: storage.vault, canMail: smtp !== undefined },
    ...{ guard: egress.guard, delivery: openDelivery({ egress, smtp }), servers: plane.figures.list },
  });
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= notifications.run().finally(() => {
      running = undefined;
    });
  }, everyMs).unref();
  closers.add('notifications', async () => {
    clearInterval(timer);
    await running;
  });
  return notifications;
}
