import { type Actor, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { AuditReader } from '#records/audit/reader.ts';
import type { AuditFilter } from '#records/audit/rows.ts';

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
  const listed = (org: OrgId | undefined, filter: Asked) => auditPage(reader, org, filter);
  const verified = async (org: OrgId | undefined) => {
    const { problems, ...counts } = await read().verify(org);
    return { ...counts, problems: [...problems], publicKey: read().publicKey };
  };
  const anchored = async (org: OrgId | undefined) => {
    const { heads, checkpoints } = await read().anchors(org);
    return { heads: [...heads], checkpoints: [...checkpoints] };
  };
  return {
    listAudit: async ({ organization, ...filter }, actor) => listed(await idOf(actor, organization), filter),
    listPlatformAudit: (filter) => listed(undefined, filter),
    async readAuditContent({ organization, id }, actor) {
      const org = await idOf(actor, organization);
      return { id, content: await read().content(org, id) };
    },
    getAuditSettings: async ({ organization }, actor) => ({
      content: await read().findContentSetting(await idOf(actor, organization)),
    }),
    async setAuditContent({ organization, content }, actor) {
      const org = await idOf(actor, organization);
      await read().setContent(org, content);
      return { content };
    },
    verifyAudit: async ({ organization }, actor) => verified(await idOf(actor, organization)),
    verifyPlatformAudit: () => verified(undefined),
    listAuditAnchors: async ({ organization }, actor) => anchored(await idOf(actor, organization)),
    listPlatformAuditAnchors: () => anchored(undefined),
    async getUsage({ organization, since, until, by, every, limit }, actor) {
      const org = await idOf(actor, organization);
      const now = clock.now();
      const span = { since: since ?? now - monthMs, until: until ?? now + 60_000 };
      const lines = await read().usage(org, { ...span, by, every, limit });
      return { items: lines.map((line) => ({ ...line, group: { ...line.group } })) };
    },
  };
}

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
