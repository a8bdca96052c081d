/** Groups, grants, members, service accounts and people, as the admin API says them. */
import { z } from 'zod';
import { slug, text } from './nouns.ts';

const time = z.iso.datetime();
export const roleList = z.array(text).max(100);
export const email = z.email('must be an e-mail address').max(320);
export const toolNames = z.array(z.string().min(1).max(256)).max(2000);
/** A UUID that one of our answers had. */
export const rowId = z.string().regex(/^[0-9a-fA-F-]{36}$/, 'must be an id from an answer of this API');
export const groupName = z.string().regex(/^[A-Za-z0-9-]{1,128}$/, 'must be letters, digits and "-", at most 128');
export const domainName = z
  .string()
  .toLowerCase()
  .regex(
    /^(?=.{1,253}(?::|$))[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[0-9]{1,5})?$/,
    'must be a host name such as mcp.acme.example',
  );

export const group = z.object({
  id: z.string(),
  organization: z.string(),
  name: z.string(),
  title: z.string(),
  externalId: z.string().nullable(),
  priority: z.int(),
  builtin: z.boolean(),
  managedBy: z.string(),
  members: z.int(),
});

export const groupMember = z.object({
  user: z.string().nullable(),
  email: z.string().nullable(),
  key: z.string().nullable(),
  label: z.string().nullable(),
  /** null: made here. */
  source: z.string().nullable(),
  addedAt: time,
});

/** Of several, exactly one. */
export const oneOf = (fields: readonly string[]) => ({
  check: (input: Readonly<Record<string, unknown>>) => fields.filter((name) => input[name] !== undefined).length === 1,
  error: `needs exactly one of ${fields.join(', ')}`,
});

export const memberRef = {
  user: rowId.optional(),
  email: email.optional(),
  /** Id of an API key. */
  key: text.optional(),
  /** Name or id. */
  serviceAccount: text.optional(),
};

export const grant = z.object({
  id: z.string(),
  organization: z.string(),
  group: z.string().nullable(),
  user: z.string().nullable(),
  email: z.string().nullable(),
  server: z.string().nullable(),
  collection: z.string().nullable(),
  /** null: all. */
  tools: z.array(z.string()).nullable(),
  managedBy: z.string(),
});

export const enablement = z.object({
  organization: z.string(),
  server: z.string(),
  title: z.string(),
  kind: z.string(),
  /** The organization's own, or the platform's. */
  own: z.boolean(),
  /** Switched off for everybody by whoever it belongs to. */
  active: z.boolean(),
  /** null: not enabled for this organization. */
  enablement: z
    .object({
      enabled: z.boolean(),
      allMembers: z.boolean(),
      allowedRoles: z.array(z.string()),
      blockedTools: z.array(z.string()),
    })
    .nullable(),
  /** By whoever it belongs to, for everybody. */
  blockedTools: z.array(z.string()),
});

/** `transport`: of the organization's own servers; null: the platform's. */
export const enablementDetail = enablement.extend({
  keyName: z.string().nullable(),
  transport: z.record(z.string(), z.unknown()).nullable(),
});

export const member = z.object({
  /** null: invited, and not signed in yet. */
  user: z.string().nullable(),
  email: z.string().nullable(),
  name: z.string().nullable(),
  roles: z.array(z.string()),
  active: z.boolean(),
  /** The identity provider whose word it is; null: made here. */
  saidBy: z.string().nullable(),
});

/** With the groups that they are in. */
export const groupedMember = member.extend({
  groups: z.array(
    z.object({
      name: z.string(),
      by: z
        .enum(['user', 'email', 'provider'])
        .describe('In it by themselves, by address, or by word of the provider.'),
      source: z.string().nullable().describe('Who says so; null: an administrator.'),
    }),
  ),
});

/** What is known of a tool: it was seen when the server was last asked. */
export const knownTool = z.object({
  name: z.string(),
  title: z.string().nullable(),
  description: z.string().nullable(),
  readOnly: z.boolean().describe('As the server says.'),
  destructive: z.boolean().describe('As the server says; without its word, whatever is not read-only is.'),
});

const workload = z.object({
  id: z.string(),
  issuer: z.string(),
  subject: z.string(),
  audience: z.string(),
});

export const serviceAccount = z.object({
  id: z.string(),
  /** By which its workloads ask for tokens. */
  clientId: z.string(),
  organization: z.string(),
  name: z.string(),
  roles: z.array(z.string()),
  active: z.boolean(),
  workloads: z.array(workload),
});

export const newWorkload = {
  issuer: z.url({ protocol: /^https?$/, error: 'must be the URL of an issuer' }).max(2048),
  subject: z
    .string()
    .min(1)
    .max(512)
    .regex(/^[^*]*(\*[^*]+){0,3}\*?$/, 'may have up to four "*", not side by side')
    .refine((value) => /[^*:/]/.test(value), { error: 'must not stand for everybody' }),
  audience: z.string().min(1).max(2048),
};

export const person = z.object({
  id: z.string(),
  subject: z.string(),
  email: z.string().nullable(),
  emailVerified: z.boolean(),
  name: z.string().nullable(),
  active: z.boolean(),
  identities: z.array(z.object({ provider: z.string(), subject: z.string() })),
  organizations: z.array(z.string()),
  createdAt: time,
  lastSignInAt: time.nullable(),
});

export const serverKey = slug;

export type GroupNoun = z.output<typeof group>;
export type GrantNoun = z.output<typeof grant>;
export type EnablementNoun = z.output<typeof enablement>;
export type MemberNoun = z.output<typeof member>;
export type GroupedMemberNoun = z.output<typeof groupedMember>;
export type ServiceAccountNoun = z.output<typeof serviceAccount>;
export type PersonNoun = z.output<typeof person>;
