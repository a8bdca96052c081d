/**
 * Where rows get their place in the chain: in the transaction that inserts them, one chain for each organization and
 * process. Only this process adds to its chains, so replicas never wait for each other; what a chain has come to stands in
 * the database, so a process that is killed leaves no hole. The next one begins chains of its own (SECURITY 3.6).
 */
import { sql } from 'kysely';
import type { Clock } from '#core/clock.ts';
import { asOrgId, type OrgId, uuidv7 } from '#core/ids.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { CallRecord } from '#records/call-record.ts';
import {
  closeAuditRows,
  finalOfEach,
  insertAuditRows,
  insertNewRows,
  type LinkedRecord,
  putUsageRows,
  storable,
} from '#records/call-rows.ts';
import { type Checkpoint, checkpointText, contentDigest, firstHash, hashOf, type LinkKind } from './canonical.ts';
import type { AuditKeys } from './keys.ts';

export interface Chain {
  readonly writer: string;
  /**
   * In one transaction; known ids are no error, an open row is closed once. No id is inserted twice. Throws
   * `storage_unavailable`, or the database's error when it refuses a value.
   */
  insert(records: readonly CallRecord[]): Promise<void>;
  /** Signs what every chain has come to since its last checkpoint; says that this process lives. */
  checkpoint(): Promise<void>;
  /** The last checkpoint; processes that end without it are noticed. */
  close(): Promise<void>;
}

export interface ChainDeps {
  readonly db: Db;
  readonly keys: AuditKeys;
  readonly clock: Clock;
  readonly checkpointEveryRows?: number;
}

interface Head {
  seq: number;
  hash: string;
  checkpointSeq: number;
}

export function openChain(deps: ChainDeps): Chain {
  const { db, keys, clock, checkpointEveryRows = 1000 } = deps;
  const writer = uuidv7(clock.now());
  let isRegistered = false;
  // One at a time: two transactions of one process would wait for each other's heads, or make the same new one.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };

  async function register(tx: Tx, closedAt: Date | null = null): Promise<void> {
    const now = new Date(clock.now());
    await tx
      .insertInto('audit_writers')
      .values({ id: writer, key_id: keys.keyId, public_key: keys.publicKey, started_at: now, seen_at: now })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: now, closed_at: closedAt }))
      .execute();
  }

  async function insertIn(tx: Tx, records: readonly CallRecord[]): Promise<void> {
    if (!isRegistered) await register(tx);
    const known = await knownOf(tx, records);
    const fresh = records.filter(({ id }) => !known.has(id));
    const ends = records.filter(({ id, open }) => !open && known.get(id) === true);
    const heads = await headsOf(tx, writer, new Set([...fresh, ...ends].map(({ org }) => org)));
    const link = (record: CallRecord, kind: LinkKind) =>
      linked(record, kind, { keys, writer, head: headIn(heads, record.org) });
    const begun = fresh.map((record) => link(record, record.open ? 'open' : 'whole'));
    const ended = ends.map((record) => link(record, 'end'));
    const isNew = begun.length === records.length;
    const inserted = await (isNew ? insertNewRows(tx, begun) : insertAuditRows(tx, begun));
    const closed = await closeAuditRows(tx, ended);
    // A process that was taken for dead inserts the same: whoever comes second finds the rows there at its next try.
    if (inserted !== begun.length || closed !== ended.length) throw new Error('The rows were inserted meanwhile');
    if (!isNew) await putUsageRows(tx, records);
    await putHeads(tx, writer, heads);
    for (const [org, head] of heads) {
      if (head.seq - head.checkpointSeq >= checkpointEveryRows) await putCheckpoint(tx, org, head);
    }
  }

  async function putCheckpoint(tx: Tx, org: string, head: Head): Promise<void> {
    const at = new Date(clock.now());
    await insertCheckpoint(tx, keys, {
      ...{ id: uuidv7(clock.now()), kind: 'checkpoint', writer, org: org === '' ? null : org },
      ...{ seq: head.seq, hash: head.hash, removed: 0, at: at.toISOString() },
    });
    await tx
      .updateTable('audit_heads')
      .set({ checkpoint_seq: head.seq, checkpoint_at: at })
      .where('writer', '=', writer)
      .where(sql<boolean>`org_id is not distinct from ${org === '' ? null : org}::uuid`)
      .execute();
  }

  const checkpoint = (closedAt: Date | null) =>
    inTurn(() =>
      withPlatform(db, async ({ tx }) => {
        if (!isRegistered) return;
        await register(tx, closedAt);
        const heads = await tx.selectFrom('audit_heads').selectAll().where('writer', '=', writer).execute();
        for (const { org_id, seq, hash, checkpoint_seq } of heads) {
          const head = { seq: Number(seq), hash, checkpointSeq: Number(checkpoint_seq) };
          if (head.seq > head.checkpointSeq) await putCheckpoint(tx, org_id ?? '', head);
        }
      }),
    );

  return {
    writer,
    insert: (records) =>
      records.length === 0
        ? Promise.resolve()
        : inTurn(async () => {
            const final = storable(finalOfEach(records));
            await withPlatform(db, ({ tx }) => insertIn(tx, final));
            isRegistered = true;
          }),
    checkpoint: () => checkpoint(null),
    close: () => checkpoint(new Date(clock.now())),
  };
}

/** By id: whether the row is open. */
async function knownOf(tx: Tx, records: readonly CallRecord[]): Promise<ReadonlyMap<string, boolean>> {
  const ids = JSON.stringify(records.map(({ id }) => id));
  const { rows } = await sql<{ id: string; open: boolean }>`
    select id, open from gateway.audit where id in (select (jsonb_array_elements_text(${ids}::text::jsonb))::uuid)
  `.execute(tx);
  return new Map(rows.map(({ id, open }) => [id, open]));
}

async function headsOf(tx: Tx, writer: string, orgs: ReadonlySet<OrgId | null>): Promise<Map<string, Head>> {
  const rows = await tx
    .selectFrom('audit_heads')
    .select(['org_id', 'seq', 'hash', 'checkpoint_seq'])
    .where('writer', '=', writer)
    .execute();
  const heads = new Map<string, Head>();
  for (const { org_id, seq, hash, checkpoint_seq } of rows) {
    const org = org_id === null ? null : asOrgId(org_id);
    if (orgs.has(org)) heads.set(org ?? '', { seq: Number(seq), hash, checkpointSeq: Number(checkpoint_seq) });
  }
  return heads;
}

function headIn(heads: Map<string, Head>, org: OrgId | null): Head {
  const head = heads.get(org ?? '') ?? { seq: 0, hash: firstHash, checkpointSeq: 0 };
  heads.set(org ?? '', head);
  return head;
}

async function putHeads(tx: Tx, writer: string, heads: ReadonlyMap<string, Head>): Promise<void> {
  if (heads.size === 0) return;
  const values = [...heads].map(([org, { seq, hash }]) => ({ writer, org_id: org === '' ? null : org, seq, hash }));
  const text = JSON.stringify(values);
  await sql`insert into gateway.audit_heads as kept (writer, org_id, seq, hash)
    select writer, org_id, seq, hash
    from jsonb_to_recordset(${text}::text::jsonb) as head(writer uuid, org_id uuid, seq bigint, hash text)
    on conflict (writer, org_id) do update set seq = excluded.seq, hash = excluded.hash`.execute(tx);
}

interface Linking {
  readonly keys: AuditKeys;
  readonly writer: string;
  readonly head: Head;
}

function linked(record: CallRecord, kind: LinkKind, { keys, writer, head }: Linking): LinkedRecord {
  const { org, issuer, subject, email, clientAddress, userAgent, target = null } = record;
  const person = keys.digest(org, 'person', [issuer, subject, email]);
  const circumstances = keys.digest(org, 'circumstances', [clientAddress, userAgent, target]);
  const place = { writer, seq: head.seq + 1, prevHash: head.hash };
  const covered = {
    ...record,
    atMs: Math.round(record.at),
    person,
    circumstances,
    kind: record.kind ?? 'call',
    action: record.action ?? null,
    policyVersion: record.policyVersion ?? null,
    argumentDigest: record.argumentDigest ?? null,
    detail: record.detail ?? null,
    content: contentDigest(record.content ?? null),
  };
  const hash = hashOf(kind, covered, place);
  head.seq = place.seq;
  head.hash = hash;
  return { ...record, person, circumstances, ...place, hash };
}

export async function insertCheckpoint(
  tx: Tx,
  keys: AuditKeys,
  point: Omit<Checkpoint, 'keyId' | 'publicKey' | 'signature'>,
): Promise<void> {
  const signature = keys.sign(checkpointText({ ...point, keyId: keys.keyId }));
  const { org: org_id, at, ...rest } = point;
  await tx
    .insertInto('audit_checkpoints')
    .values({ ...rest, org_id, at: new Date(at), key_id: keys.keyId, signature })
    .execute();
}
