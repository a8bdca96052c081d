import { getOrganization } from '#admin/actor.ts';
import type { NotificationNoun } from '#admin/contract/notifications.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { time } from '#admin/slice.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { uuidv7 } from '#core/ids.ts';
import {
  getNotificationRule,
  insertNotificationRule,
  listNotificationRules,
  type NotificationKind,
  type NotificationRule,
  removeNotificationRule,
  updateNotificationRule,
} from '#records/notifications.ts';

export interface NotificationTarget {
  readonly url?: string | undefined;
  readonly to?: readonly string[] | undefined;
}

export interface SealedTarget {
  readonly sealed: string;
  readonly shown: string;
  /** Of a new webhook. */
  readonly signingSecret: string | undefined;
}

/** What delivers. */
export interface Notifier {
  readonly canMail: boolean;
  /** `before`: what it was, whose signing secret stays. Throws `bad_request` for a target that is refused. */
  seal(
    place: { readonly org: OrgId; readonly id: string; readonly kind: NotificationKind },
    target: NotificationTarget,
    before?: NotificationRule,
  ): Promise<SealedTarget>;
  /** Never rejects: answers why it was not delivered. Throws `rate_limited`. */
  test(rule: NotificationRule): Promise<string | undefined>;
}

type Names =
  | 'listNotifications'
  | 'createNotification'
  | 'updateNotification'
  | 'removeNotification'
  | 'testNotification';

export function notificationHandlers({ records, clock, notifier }: AdminDeps): Pick<Handlers, Names> {
  const delivering = (): Notifier => {
    if (notifier) return notifier;
    throw new GatehouseError('not_found', { message: 'No gateway runs here that could deliver' });
  };
  return {
    async listNotifications({ organization: ref }, actor) {
      const { id } = await getOrganization(records, actor, ref);
      const items = (await records.within(id, listNotificationRules)).map(shown);
      return { items, canMail: notifier?.canMail ?? false };
    },
    async createNotification({ organization: ref, url, to, ...rule }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      const id = uuidv7(clock.now());
      const { signingSecret, ...sealed } = await delivering().seal({ org, id, kind: rule.kind }, { url, to });
      const made = await records.within(org, (scope) => insertNotificationRule(scope, id, { ...rule, ...sealed }));
      return { ...shown(made), signingSecret: signingSecret ?? null };
    },
    async updateNotification({ organization: ref, id, url, to, ...change }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      const before = await records.within(org, (scope) => getNotificationRule(scope, id));
      const isMoved = url !== undefined || to !== undefined;
      const target = isMoved
        ? await delivering().seal({ org, id: before.id, kind: before.kind }, { url, to }, before)
        : undefined;
      const sealed = target && { sealed: target.sealed, shown: target.shown };
      return shown(
        await records.within(org, (scope) => updateNotificationRule(scope, before.id, { ...change, ...sealed })),
      );
    },
    async removeNotification({ organization: ref, id }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      return shown(await records.within(org, (scope) => removeNotificationRule(scope, id)));
    },
    async testNotification({ organization: ref, id }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      const rule = await records.within(org, (scope) => getNotificationRule(scope, id));
      const failure = await delivering().test(rule);
      return { delivered: failure === undefined, failure: failure ?? null };
    },
  };
}

function shown(rule: NotificationRule): NotificationNoun {
  const { id, name, kind, events, threshold, shown: target, enabled, failures, failure } = rule;
  return {
    ...{ id, name, kind, events: [...events], threshold, target, enabled, failures, failure: failure ?? null },
    ...{ sentAt: time(rule.sentAt), failedAt: time(rule.failedAt) },
    createdAt: new Date(rule.createdAt).toISOString(),
  };
}
