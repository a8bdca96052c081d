import { type Actor, type Following, getOrganization } from '#admin/actor.ts';
import { writeTrail, writeUsage } from '#admin/exports.ts';
import { followTrail } from '#admin/following-trail.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { AuditReader } from '#records/audit/reader.ts';
import type { AuditFilter } from '#records/audit/rows.ts';
import { findNamesBySubject } from '#records/people.ts';
import type { UsageQuery } from '#records/usage.ts';

type AuditHandlers = Pick<
  Handlers,
  | 'listAudit'
  | 'listPlatformAudit'
  | 'readAuditContent'
  | 'getAuditSettings'
  | 'setAuditContent'
  | 'verifyAudit'
  | 'verifyPlatformAudit'
  | 'listAuditAnchors'
  | 'listPlatformAuditAnchors'
  | 'getUsage'
  | 'exportUsage'
  | 'exportAudit'
  | 'exportPlatformAudit'
  | 'followAudit'
  | 'followPlatformAudit'
>;

const monthMs = 30 * 86_400_000;

/** Throws `not_found` where nothing keeps a trail, and `bad_request`. */
export async function auditPage(reader: AuditReader | undefined, org: OrgId | undefined, { cursor, ...filter }: Asked) {
  if (!reader) throw new GatehouseError('not_found', { message: 'There is no trail here' });
  const items = await reader.list({ ...filter, org, after: parseCursor(cursor) });
  const last = items.length === filter.limit ? items.at(-1) : undefined;
  return { items: [...items], next: last ? formatCursor(last) : null };
}

export function auditHandlers({ records, reader, clock }: AdminDeps): AuditHandlers {
  const read = (): AuditReader => {
    if (!reader) throw new GatehouseError('not_found', { message: 'There is no trail here' });
    return reader;
  };
  const idOf = async (actor: Actor, ref: string) => (await getOrganization(records, actor, ref)).id;
  const listed = async (org: OrgId | undefined, filter: Asked) => {
    const { items, next } = await auditPage(reader, org, filter);
    const subjects = [...new Set(items.flatMap(({ subject }) => (subject === null ? [] : [subject])))];
    const names = await records.asPlatform((scope) => findNamesBySubject(scope, subjects));
    return { items: items.map((row) => ({ ...row, who: names.get(row.subject ?? '') ?? null })), next };
  };
  const verified = async (org: OrgId | undefined) => {
    const { problems, ...counts } = await read().verify(org);
    return { ...counts, problems: [...problems], publicKey: read().publicKey };
  };
  const anchored = async (org: OrgId | undefined) => {
    const { heads, checkpoints } = await read().anchors(org);
    return { heads: [...heads], checkpoints: [...checkpoints] };
  };
  const exported = async (
    org: OrgId | undefined,
    { format, ...asked }: Asked & { readonly format: 'json' | 'jsonl' | 'csv' },
    following: Following | undefined,
  ) => {
    if (following && format !== 'json') {
      const { cursor, ...filter } = asked;
      await writeTrail(read(), { ...filter, org, after: parseCursor(cursor) }, { format, ...following });
      return { items: [], next: null };
    }
    return listed(org, asked);
  };
  const followed = async (org: OrgId | undefined, filter: Watched, following: Following | undefined) => {
    if (!following) return { items: (await listed(org, { ...filter, order: 'newest', limit: 100 })).items };
    await followTrail(read(), { filter: { ...filter, org }, clock, following });
    return { items: [] };
  };
  const used = async (org: OrgId, { since, until, every, ...asked }: UsageAsked) => {
    const now = clock.now();
    const span = { since: since ?? now - monthMs, until: until ?? now + 60_000 };
    const lines = await read().usage(org, { ...asked, ...span, every });
    return { items: lines.map((line) => ({ ...line, group: { ...line.group } })) };
  };
  return {
    listAudit: async ({ organization, ...filter }, actor) => listed(await idOf(actor, organization), filter),
    listPlatformAudit: (filter) => listed(undefined, filter),
    async readAuditContent({ organization, id }, actor) {
      const org = await idOf(actor, organization);
      return { id, content: await read().content(org, id) };
    },
    async getAuditSettings({ organization }, actor) {
      const org = await idOf(actor, organization);
      return { content: await read().findContentSetting(org) };
    },
    async setAuditContent({ organization, content }, actor) {
      const org = await idOf(actor, organization);
      await read().setContent(org, content);
      return { content };
    },
    verifyAudit: async ({ organization }, actor) => verified(await idOf(actor, organization)),
    verifyPlatformAudit: () => verified(undefined),
    listAuditAnchors: async ({ organization }, actor) => anchored(await idOf(actor, organization)),
    listPlatformAuditAnchors: () => anchored(undefined),
    exportAudit: async ({ organization, ...asked }, actor) =>
      exported(await idOf(actor, organization), asked, actor.following),
    exportPlatformAudit: (asked, actor) => exported(undefined, asked, actor.following),
    followAudit: async ({ organization, ...filter }, actor) =>
      followed(await idOf(actor, organization), filter, actor.following),
    followPlatformAudit: (filter, actor) => followed(undefined, filter, actor.following),
    getUsage: async ({ organization, ...asked }, actor) => used(await idOf(actor, organization), asked),
    async exportUsage({ organization, format, ...asked }, actor) {
      const answer = await used(await idOf(actor, organization), asked);
      if (actor.following && format === 'csv') await writeUsage(answer.items, asked.by, actor.following);
      return answer;
    },
  };
}

type Watched = Omit<AuditFilter, 'org' | 'after' | 'order' | 'limit'>;
type UsageAsked = Omit<UsageQuery, 'since' | 'until' | 'every'> & {
  readonly every?: UsageQuery['every'];
  readonly since?: number | undefined;
  readonly until?: number | undefined;
};
type Asked = Omit<AuditFilter, 'org' | 'after'> & { readonly cursor?: string | undefined };

function formatCursor({ at, id }: { readonly at: string; readonly id: string }): string {
  return Buffer.from(`${Date.parse(at)} ${id}`).toString('base64url');
}

/** Throws `bad_request`. */
function parseCursor(cursor: string | undefined): AuditFilter['after'] {
  if (cursor === undefined) return undefined;
  const [, ms, id] = /^(\d{1,15}) ([0-9a-f-]{36})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (ms === undefined || id === undefined)
    throw new GatehouseError('bad_request', { message: 'cursor is not one of ours' });
  return { at: new Date(Number(ms)).toISOString(), id };
}
