/** Rows of the trail as they are read: for the admin API, exports and the check of the chain. */
import { type Selectable, sql } from 'kysely';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { Json } from '#core/json.ts';
import type { GatewaySchema, Tx } from '#db/schema.ts';
import { type Checkpoint, contentDigest, hashOf, type Link, type LinkKind, type TrailRow } from './canonical.ts';

type Row = Selectable<GatewaySchema['audit']>;

export function trailRow(row: Row): TrailRow {
  return {
    ...{
      id: row.id,
      at: row.at.toISOString(),
      org: row.org_id,
      kind: row.kind,
      action: row.action,
      target: row.target,
    },
    ...{ requestId: row.request_id, principalKind: row.principal_kind, issuer: row.issuer, subject: row.subject },
    ...{ email: row.email, person: row.person, clientAddress: row.client_address, userAgent: row.user_agent },
    ...{ circumstances: row.circumstances, httpMethod: row.http_method, path: row.path, endpoint: row.endpoint },
    ...{ server: row.server, rpcMethod: row.rpc_method, name: row.name, policyVersion: row.policy_version },
    ...{ argumentDigest: row.argument_digest, decision: row.decision, reason: row.reason, status: row.status },
    ...{ open: row.open, durationMs: row.duration_ms, upstreamMs: row.upstream_ms },
    ...{ bytesIn: Number(row.bytes_in), bytesOut: Number(row.bytes_out) },
    detail: jsonOf(row.detail),
    content: contentDigest(row.content),
    erased: row.erased_at !== null,
    link: linkOf(row.writer, row.seq, row.prev_hash, row.hash),
    closing: linkOf(row.close_writer, row.close_seq, row.close_prev_hash, row.close_hash),
  };
}

/** What our own roles wrote into a column of JSON. */
const jsonOf = (value: unknown): Json => (value === undefined ? null : (value as Json));

function linkOf(
  writer: string | null,
  seq: string | number | null,
  prevHash: string | null,
  hash: string | null,
): Link | null {
  if (writer === null || seq === null || prevHash === null || hash === null) return null;
  return { writer, seq: Number(seq), prevHash, hash };
}

/** A place in a chain, and what its hash must be by the row as it is now. */
export interface ReadLink extends Link {
  readonly org: string | null;
  readonly expected: string;
  readonly row: TrailRow;
}

export function linksOf(row: TrailRow): readonly ReadLink[] {
  const links: ReadLink[] = [];
  const add = (link: Link | null, kind: LinkKind) => {
    if (!link) return;
    const expected = hashOf(kind, { ...row, atMs: Date.parse(row.at) }, link);
    links.push({ ...link, org: row.org, expected, row });
  };
  add(row.link, row.open || row.closing ? 'open' : 'whole');
  add(row.closing, 'end');
  return links;
}

export interface AuditFilter {
  /** undefined: of every organization, and of none. */
  readonly org: OrgId | undefined;
  /** Subject, e-mail or pseudonym. */
  readonly person?: string | undefined;
  readonly server?: string | undefined;
  /** Name of a tool, prompt or resource. */
  readonly tool?: string | undefined;
  readonly kind?: Row['kind'] | undefined;
  readonly action?: string | undefined;
  readonly decision?: 'allow' | 'deny' | undefined;
  /** Unix milliseconds, inclusive; exclusive. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly order: 'newest' | 'oldest';
  readonly limit: number;
  readonly after?: { readonly at: string; readonly id: string } | undefined;
}

export async function listAudit(tx: Tx, filter: AuditFilter): Promise<readonly TrailRow[]> {
  const { org, person, server, tool, kind, action, decision, since, until, order, after } = filter;
  let query = tx.selectFrom('audit').selectAll();
  if (org !== undefined) query = query.where('org_id', '=', org);
  if (person !== undefined)
    query = query.where(({ or, eb }) =>
      or([eb('subject', '=', person), eb(sql`lower(email)`, '=', person.toLowerCase()), eb('person', '=', person)]),
    );
  if (server !== undefined) query = query.where('server', '=', server);
  if (tool !== undefined) query = query.where('name', '=', tool);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (action !== undefined) query = query.where('action', '=', action);
  if (decision !== undefined) query = query.where('decision', '=', decision);
  if (since !== undefined) query = query.where('at', '>=', new Date(since));
  if (until !== undefined) query = query.where('at', '<', new Date(until));
  if (after) {
    const beyond = sql.raw(order === 'newest' ? '<' : '>');
    query = query.where(sql<boolean>`(at, id) ${beyond} (${new Date(after.at)}::timestamptz, ${after.id}::uuid)`);
  }
  const direction = order === 'newest' ? 'desc' : 'asc';
  const rows = await query.orderBy('at', direction).orderBy('id', direction).limit(filter.limit).execute();
  return rows.map(trailRow);
}

export interface ChainName {
  readonly writer: string;
  readonly org: string | null;
}

export interface ChainHead extends ChainName {
  readonly seq: number;
  readonly hash: string;
}

export async function listHeads(tx: Tx, org: OrgId | undefined): Promise<readonly ChainHead[]> {
  let query = tx.selectFrom('audit_heads').select(['writer', 'org_id', 'seq', 'hash']);
  if (org !== undefined) query = query.where('org_id', '=', org);
  const rows = await query.orderBy('writer').execute();
  return rows.map(({ writer, org_id, seq, hash }) => ({ writer, org: org_id, seq: Number(seq), hash }));
}

export async function listCheckpoints(tx: Tx, org: OrgId | undefined): Promise<readonly Checkpoint[]> {
  let query = tx
    .selectFrom('audit_checkpoints as point')
    .innerJoin('audit_writers', 'audit_writers.id', 'point.writer')
    .selectAll('point')
    .select('audit_writers.public_key');
  if (org !== undefined) query = query.where('org_id', '=', org);
  const rows = await query.orderBy('at').orderBy('id').execute();
  return rows.map((row) => ({
    ...{ id: row.id, kind: row.kind, writer: row.writer, org: row.org_id, seq: Number(row.seq), hash: row.hash },
    ...{ removed: Number(row.removed), at: row.at.toISOString(), keyId: row.key_id, publicKey: row.public_key },
    signature: row.signature,
  }));
}

/** Places of a chain in order, from `after` on: rows, and ends of rows. */
export async function readChain(
  tx: Tx,
  chain: ChainName,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<readonly ReadLink[]> {
  const org = sql<boolean>`org_id is not distinct from ${chain.org}::uuid`;
  const page = tx.selectFrom('audit').selectAll().where(org).limit(limit);
  const begun = await page.where('writer', '=', chain.writer).where('seq', '>', after).orderBy('seq').execute();
  const ended = await page
    .where('close_writer', '=', chain.writer)
    .where('close_seq', '>', after)
    .orderBy('close_seq')
    .execute();
  const first = begun.flatMap((row) => linksOf(trailRow(row)).slice(0, 1));
  const second = ended.flatMap((row) => linksOf(trailRow(row)).slice(-1));
  return [...first, ...second].sort((a, b) => a.seq - b.seq).slice(0, limit);
}

export const orgOf = (org: string | null): OrgId | null => (org === null ? null : asOrgId(org));
