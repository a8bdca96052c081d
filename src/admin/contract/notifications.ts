/** Routes of the admin API about what an organization's people are told. */
import { z } from 'zod';
import { organizationRef, text } from '#admin/nouns.ts';
import { notificationEvents, notificationKinds } from '#records/notifications.ts';
import { listing } from './lists.ts';

const time = z.iso.datetime().nullable();
const event = z.enum(notificationEvents);
const events = z.array(event).min(1).max(notificationEvents.length);
const name = text;
const threshold = z.int().min(1).max(1_000_000).describe('Refused calls within five minutes that are told of.');
const url = z.url({ protocol: /^https?$/ }).max(2048);
const to = z.array(z.email().max(254)).min(1).max(20);

export const notificationNoun = z.object({
  ...{ id: z.string(), name: z.string(), kind: z.enum(notificationKinds), events: z.array(event), threshold: z.int() },
  target: z.string().describe('Host of the URL, or how many addresses; never more: a webhook’s URL is a secret.'),
  enabled: z.boolean(),
  ...{ createdAt: z.iso.datetime(), sentAt: time, failedAt: time, failure: z.string().nullable() },
  failures: z.int().describe('Deliveries that failed since the last that did not.'),
});

export type NotificationNoun = z.output<typeof notificationNoun>;

const rules = listing(notificationNoun, {
  id: ['id'],
  sort: ['name', 'kind', 'sentAt', 'createdAt'],
  search: ['name', 'kind', 'target'],
});
const base = '/organizations/:organization/notifications';
const one = { organization: organizationRef, id: z.string().min(1).max(64) };
const common = { permission: 'admin:notifications:write', scope: 'organization', status: 200 } as const;

export const notificationRoutes = {
  listNotifications: {
    method: 'GET',
    path: base,
    summary: 'Who is told what, and how the last delivery went',
    permission: 'admin:notifications:read',
    scope: 'organization',
    audit: 'notification.list',
    status: 200,
    input: z.strictObject({ organization: organizationRef, ...rules.input }),
    output: rules.output.extend({ canMail: z.boolean().describe('Whether `notifications.smtp` is set.') }),
    list: rules.list,
  },
  createNotification: {
    method: 'POST',
    path: base,
    summary: 'Tell people of what needs somebody: by webhook (Standard Webhooks), Slack-style webhook or e-mail',
    permission: 'admin:notifications:write',
    scope: 'organization',
    audit: 'notification.create',
    status: 201,
    answersSecret: true,
    input: z.strictObject({
      ...{ organization: organizationRef, name, kind: z.enum(notificationKinds), events },
      threshold: threshold.default(20),
      enabled: z.boolean().default(true),
      url: url.optional().describe('Of a webhook.'),
      to: to.optional().describe('Of e-mail.'),
    }),
    output: notificationNoun.extend({
      signingSecret: z.string().nullable().describe('What webhooks are signed with: shown this once.'),
    }),
  },
  updateNotification: {
    ...common,
    method: 'PATCH',
    path: `${base}/:id`,
    summary: 'Change who is told what; a new URL keeps the signing secret',
    audit: 'notification.update',
    input: z.strictObject({
      ...one,
      ...{ name: name.optional(), events: events.optional(), threshold: threshold.optional() },
      ...{ enabled: z.boolean().optional(), url: url.optional(), to: to.optional() },
    }),
    output: notificationNoun,
  },
  removeNotification: {
    ...common,
    method: 'DELETE',
    path: `${base}/:id`,
    summary: 'Tell them no more',
    audit: 'notification.remove',
    input: z.strictObject(one),
    output: notificationNoun,
  },
  testNotification: {
    ...common,
    method: 'POST',
    path: `${base}/:id/test`,
    summary: 'Send a message that says it is a test',
    audit: 'notification.test',
    input: z.strictObject(one),
    output: z.object({ delivered: z.boolean(), failure: z.string().nullable() }),
  },
} as const;
