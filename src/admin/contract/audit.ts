/** The trail and usage in the admin API. */
import { z } from 'zod';
import { organizationRef, text } from '#admin/nouns.ts';

const org = { organization: organizationRef };
const nullable = z.string().nullable();
const link = z.object({ writer: z.string(), seq: z.int(), prevHash: z.string(), hash: z.string() }).nullable();

const kinds = ['call', 'sign_in', 'admin', 'credential', 'security'] as const;

/** A time: ISO 8601, or a date. */
const time = z
  .string()
  .refine((value) => !Number.isNaN(Date.parse(value)), 'must be a time such as 2026-11-20T08:00:00Z')
  .transform((value) => Date.parse(value));

export const auditRow = z.object({
  ...{ id: z.string(), at: z.string(), org: nullable, kind: z.string(), action: nullable, target: nullable },
  ...{ requestId: z.string(), principalKind: nullable, issuer: nullable, subject: nullable, email: nullable },
  ...{ person: nullable, clientAddress: nullable, userAgent: nullable, circumstances: nullable },
  ...{ httpMethod: z.string(), path: z.string(), endpoint: nullable, server: nullable, rpcMethod: nullable },
  ...{ name: nullable, policyVersion: nullable, argumentDigest: nullable, decision: z.string(), reason: nullable },
  ...{ status: z.int(), open: z.boolean(), durationMs: z.number(), upstreamMs: z.number().nullable() },
  ...{ bytesIn: z.int(), bytesOut: z.int(), detail: z.unknown(), content: nullable, erased: z.boolean() },
  ...{ link, closing: link },
});

const filter = {
  person: text.optional(),
  server: text.optional(),
  tool: text.optional(),
  kind: z.enum(kinds).optional(),
  action: text.optional(),
  decision: z.enum(['allow', 'deny']).optional(),
  since: time.optional(),
  until: time.optional(),
  order: z.enum(['newest', 'oldest']).default('newest'),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  /** `next` of the page before. */
  cursor: z.string().max(128).optional(),
};

const named = auditRow.extend({ who: nullable.describe('As people call them now; null: unknown by now.') });
const page = z.object({ items: z.array(named), next: nullable });

const format = z
  .enum(['json', 'jsonl', 'csv'])
  .default('json')
  .describe('json: one page. jsonl, csv: a file of at most a million rows, from the cursor on.');
const { order: _order, limit: _limit, cursor: _cursor, until: _until, ...followed } = filter;
const live = z.object({ items: z.array(auditRow) });

const problemKinds = [
  'missing',
  'changed',
  'inserted',
  'reordered',
  'cut',
  'checkpoint',
  'person',
  'unchained',
] as const;

const report = z.object({
  rows: z.int(),
  chains: z.int(),
  checkpoints: z.int(),
  erased: z.int(),
  problems: z.array(
    z.object({
      ...{ writer: z.string(), org: nullable, seq: z.int(), kind: z.enum(problemKinds), message: z.string() },
      row: z.string().optional(),
    }),
  ),
  publicKey: z.string(),
});

const anchors = z.object({
  heads: z.array(z.object({ writer: z.string(), org: nullable, seq: z.int(), hash: z.string() })),
  checkpoints: z.array(
    z.object({
      ...{ id: z.string(), kind: z.enum(['checkpoint', 'tombstone']), writer: z.string(), org: nullable },
      ...{ seq: z.int(), hash: z.string(), removed: z.int(), at: z.string(), keyId: z.string() },
      ...{ publicKey: z.string(), signature: z.string() },
    }),
  ),
});

export const usageGroups = ['user', 'server', 'tool', 'status', 'endpoint', 'method'] as const;

const usageInput = {
  ...org,
  since: time.optional(),
  until: time.optional(),
  ...{ user: text.optional(), server: text.optional(), tool: text.optional() },
  status: z.coerce.number().int().min(100).max(599).optional(),
  /** Comma list of user, server, tool, status, endpoint, method. */
  by: z
    .string()
    .default('')
    .transform((value) => value.split(',').filter(Boolean))
    .pipe(z.array(z.enum(usageGroups)).max(3)),
  every: z.enum(['minute', 'hour', 'day', 'week', 'month']).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(200),
};

const usage = z.object({
  items: z.array(
    z.object({
      /** Beginning of the bucket; null: all of the time asked for. */
      at: nullable,
      group: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
      ...{ calls: z.int(), failures: z.int(), tokensSaved: z.int(), bytesIn: z.int(), bytesOut: z.int() },
      ...{ meanMs: z.number(), p50Ms: z.number(), p95Ms: z.number(), p99Ms: z.number() },
    }),
  ),
});

/** Auditors only: no `admin:*` includes it, the exact word or the role of an auditor does. */
export const auditContentPermission = 'admin:audit-content:read';

const auditPath = '/organizations/:organization/audit';

export const auditRoutes = {
  listAudit: {
    method: 'GET',
    path: auditPath,
    summary: 'What happened in an organization: calls, sign-ins, administration, credentials, security',
    permission: 'admin:audit:read',
    scope: 'organization',
    audit: 'audit.list',
    status: 200,
    input: z.strictObject({ ...org, ...filter }),
    output: page,
  },
  listPlatformAudit: {
    method: 'GET',
    path: '/audit',
    summary: 'What happened in all organizations, and outside of any',
    permission: 'admin:audit:read',
    scope: 'platform',
    audit: 'audit.all',
    status: 200,
    input: z.strictObject(filter),
    output: page,
  },
  exportAudit: {
    method: 'GET',
    path: `${auditPath}/export`,
    summary: 'What happened in an organization, as a file: CSV for spreadsheets (no cell is a formula), or JSON Lines',
    permission: 'admin:audit:read',
    scope: 'organization',
    audit: 'audit.export',
    status: 200,
    input: z.strictObject({ ...org, ...filter, format }),
    output: page,
  },
  exportPlatformAudit: {
    method: 'GET',
    path: '/audit/export',
    summary: 'The same of all organizations, and outside of any',
    permission: 'admin:audit:read',
    scope: 'platform',
    audit: 'audit.copy',
    status: 200,
    input: z.strictObject({ ...filter, format }),
    output: page,
  },
  followAudit: {
    method: 'GET',
    path: `${auditPath}/follow`,
    summary: 'What happens now. With `Accept: application/x-ndjson` each row is a line as it comes, for five minutes',
    permission: 'admin:audit:read',
    scope: 'organization',
    audit: 'audit.follow',
    status: 200,
    input: z.strictObject({ ...org, ...followed }),
    output: live,
  },
  followPlatformAudit: {
    method: 'GET',
    path: '/audit/follow',
    summary: 'What happens in all organizations, and outside of any, as it happens',
    permission: 'admin:audit:read',
    scope: 'platform',
    audit: 'audit.watch',
    status: 200,
    input: z.strictObject(followed),
    output: live,
  },
  readAuditContent: {
    method: 'GET',
    path: `${auditPath}/:id/content`,
    summary: 'The redacted arguments of a call, where the organization keeps them',
    permission: auditContentPermission,
    scope: 'organization',
    audit: 'audit.content',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({ ...org, id: z.uuid() }),
    output: z.object({ id: z.string(), content: nullable }),
  },
  getAuditSettings: {
    method: 'GET',
    path: `${auditPath}/settings`,
    summary: 'What is kept of arguments',
    permission: 'admin:audit:read',
    scope: 'organization',
    audit: 'audit.kept',
    status: 200,
    input: z.strictObject(org),
    output: z.object({ content: z.enum(['none', 'digest', 'redacted']) }),
  },
  setAuditContent: {
    method: 'POST',
    path: `${auditPath}/settings`,
    summary: 'What is kept of arguments: nothing, a digest, or all of them, redacted and sealed',
    permission: 'admin:audit:write',
    scope: 'organization',
    audit: 'audit.settings',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({ ...org, content: z.enum(['none', 'digest', 'redacted']) }),
    output: z.object({ content: z.enum(['none', 'digest', 'redacted']) }),
  },
  verifyAudit: {
    method: 'GET',
    path: `${auditPath}/verify`,
    summary: 'Whether the trail of an organization is as it was written',
    permission: 'admin:audit:read',
    scope: 'organization',
    audit: 'audit.verify',
    status: 200,
    input: z.strictObject(org),
    output: report,
  },
  verifyPlatformAudit: {
    method: 'GET',
    path: '/audit/verify',
    summary: 'Whether the whole trail is as it was written',
    permission: 'admin:audit:read',
    scope: 'platform',
    audit: 'audit.check',
    status: 200,
    input: z.strictObject({}),
    output: report,
  },
  listAuditAnchors: {
    method: 'GET',
    path: `${auditPath}/anchors`,
    summary: 'How long each chain is, and the signed checkpoints: what an export is checked against',
    permission: 'admin:audit:read',
    scope: 'organization',
    audit: 'audit.anchors',
    status: 200,
    input: z.strictObject(org),
    output: anchors,
  },
  listPlatformAuditAnchors: {
    method: 'GET',
    path: '/audit/anchors',
    summary: 'The same of all organizations',
    permission: 'admin:audit:read',
    scope: 'platform',
    audit: 'audit.ends',
    status: 200,
    input: z.strictObject({}),
    output: anchors,
  },
  getUsage: {
    method: 'GET',
    path: '/organizations/:organization/usage',
    summary: 'Calls, failures, latency and tokens saved, grouped and over time',
    permission: 'admin:usage:read',
    scope: 'organization',
    audit: 'usage.read',
    status: 200,
    input: z.strictObject(usageInput),
    output: usage,
  },
  exportUsage: {
    method: 'GET',
    path: '/organizations/:organization/usage/export',
    summary: 'The same, as a file for spreadsheets with `format=csv`',
    permission: 'admin:usage:read',
    scope: 'organization',
    audit: 'usage.export',
    status: 200,
    input: z.strictObject({ ...usageInput, format: z.enum(['json', 'csv']).default('json') }),
    output: usage,
  },
} as const;
