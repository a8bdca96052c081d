/**
 * What the chain covers of a row, as text that is the same wherever it is made: when the row is inserted, when it is read
 * back from the database, and from a line of an export. Who somebody is is covered by keyed digests only.
 */
import { hash } from 'node:crypto';
import type { Json } from '#core/json.ts';

/** A row of the trail in the words of exports. Times are ISO 8601, hashes hexadecimal. */
export interface TrailRow {
  readonly id: string;
  readonly at: string;
  readonly org: string | null;
  readonly kind: string;
  readonly action: string | null;
  readonly target: string | null;
  readonly requestId: string;
  readonly principalKind: string | null;
  readonly issuer: string | null;
  readonly subject: string | null;
  readonly email: string | null;
  readonly person: string | null;
  readonly clientAddress: string | null;
  readonly userAgent: string | null;
  readonly circumstances: string | null;
  readonly httpMethod: string;
  readonly path: string;
  readonly endpoint: string | null;
  readonly server: string | null;
  readonly rpcMethod: string | null;
  readonly name: string | null;
  readonly policyVersion: string | null;
  readonly argumentDigest: string | null;
  readonly decision: string;
  readonly reason: string | null;
  readonly status: number;
  readonly open: boolean;
  readonly durationMs: number;
  readonly upstreamMs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly detail: Json;
  /** Digest of the sealed content. */
  readonly content: string | null;
  readonly erased: boolean;
  readonly link: Link | null;
  /** Of its end, where it was written open. */
  readonly closing: Link | null;
}

export interface Link {
  readonly writer: string;
  readonly seq: number;
  readonly prevHash: string;
  readonly hash: string;
}

export const firstHash = '0'.repeat(64);

type Covered = Omit<
  TrailRow,
  'subject' | 'email' | 'clientAddress' | 'userAgent' | 'target' | 'erased' | 'link' | 'closing' | 'at'
> & { readonly atMs: number };

function pushBeginning(to: Json[], row: Covered): void {
  to.push(row.id, row.atMs, row.org, row.kind, row.action, row.requestId, row.principalKind, row.issuer, row.person);
  to.push(row.circumstances, row.httpMethod, row.path, row.endpoint, row.server, row.rpcMethod, row.name);
  to.push(row.policyVersion, row.argumentDigest);
}

function pushEnding(to: Json[], row: Covered): void {
  to.push(row.decision, row.reason, row.status, row.durationMs, row.upstreamMs, row.bytesIn, row.bytesOut);
  to.push(sorted(row.detail), row.content);
}

/** `open`: what is known while it goes on; `whole`: of a row that was over when it was written; `end`: of one that was open. */
export type LinkKind = 'open' | 'whole' | 'end';

export function hashOf(kind: LinkKind, row: Covered, { writer, seq, prevHash }: Omit<Link, 'hash'>): string {
  const covered: Json[] = ['gatehouse-audit-1', kind, prevHash, writer, seq];
  if (kind === 'end') covered.push(row.id);
  else pushBeginning(covered, row);
  if (kind !== 'open') pushEnding(covered, row);
  return hash('sha256', JSON.stringify(covered), 'hex');
}

export const contentDigest = (sealed: string | null): string | null =>
  sealed === null ? null : hash('sha256', sealed, 'hex');

/** What a checkpoint signs. */
export function checkpointText(point: Omit<Checkpoint, 'signature' | 'publicKey'>): string {
  const { kind, id, writer, org, seq, hash: head, removed, at, keyId } = point;
  return JSON.stringify(['gatehouse-checkpoint-1', kind, id, writer, org, seq, head, removed, Date.parse(at), keyId]);
}

export interface Checkpoint {
  readonly id: string;
  readonly kind: 'checkpoint' | 'tombstone';
  readonly writer: string;
  readonly org: string | null;
  readonly seq: number;
  readonly hash: string;
  readonly removed: number;
  readonly at: string;
  readonly keyId: string;
  /** Of its writer. */
  readonly publicKey: string;
  readonly signature: string;
}

/** JSON with keys in order: PostgreSQL keeps an order of its own. */
function sorted(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
