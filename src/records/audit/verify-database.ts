/** The check of the trail where it lies. Reads page by page, so that calls go on meanwhile. */
import { sql } from 'kysely';
import type { OrgId } from '#core/ids.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { AuditKeys } from './keys.ts';
import { type ChainHead, type ChainName, listCheckpoints, listHeads, orgOf, type ReadLink, readChain } from './rows.ts';
import { ChainCheck, type Problem, type TrailReport } from './verify.ts';

const pageRows = 2000;

/** `org` undefined: every chain there is. Throws `storage_unavailable`. */
export async function verifyDatabase(db: Db, keys: AuditKeys, org: OrgId | undefined): Promise<TrailReport> {
  const [heads, checkpoints, named, unchained, current] = await withPlatform(db, async ({ tx }) => [
    await listHeads(tx, org),
    await listCheckpoints(tx, org),
    await listChains(tx, org),
    await findUnchained(tx, org),
    await currentWriters(tx, keys),
  ]);
  const headOf = new Map(heads.map((head) => [nameOf(head), head]));
  const chains = new Map([...heads, ...checkpoints, ...named].map((chain) => [nameOf(chain), chain]));
  const counted = { rows: 0, erased: 0 };
  const problems: Problem[] = [...unchained];
  for (const [name, { writer, org }] of chains) {
    const check = new ChainCheck(
      { writer, org },
      {
        head: headOf.get(name),
        checkpoints: checkpoints.filter((point) => nameOf(point) === name),
        partial: false,
        toTheEnd: true,
        trusted: undefined,
      },
    );
    const persons = current.has(writer) ? keys : undefined;
    await walk(db, { chain: { writer, org }, head: headOf.get(name), check, persons, counted });
    const latest = await withPlatform(db, ({ tx }) => listHeads(tx, orgOf(org) ?? undefined));
    check.finish(latest.find((head) => nameOf(head) === name));
    if (check.problem) problems.push(check.problem);
  }
  return { ...counted, chains: chains.size, checkpoints: checkpoints.length, problems };
}

const nameOf = ({ writer, org }: ChainName) => `${writer} ${org ?? ''}`;

interface Walk {
  readonly chain: ChainName;
  readonly head: ChainHead | undefined;
  readonly check: ChainCheck;
  /** undefined: digests were made with other keys. */
  readonly persons: AuditKeys | undefined;
  readonly counted: { rows: number; erased: number };
}

async function walk(db: Db, { chain, head, check, persons, counted }: Walk): Promise<void> {
  for (let after = 0; ; ) {
    const links = await withPlatform(db, ({ tx }) => readChain(tx, chain, { after, limit: pageRows }));
    for (const link of links) {
      check.add(link);
      if (persons && !isWhoItWas(link, persons)) check.refusePerson(link);
      if (link.row.closing?.hash === link.hash) continue;
      counted.rows += 1;
      counted.erased += link.row.erased ? 1 : 0;
    }
    const last = links.at(-1);
    // What came while we look is looked at another time.
    if (!last || links.length < pageRows || (head && last.seq > head.seq)) return;
    after = last.seq;
  }
}

function isWhoItWas({ row }: ReadLink, keys: AuditKeys): boolean {
  if (row.erased) return true;
  const org = orgOf(row.org);
  return (
    keys.digest(org, 'person', [row.issuer, row.subject, row.email]) === row.person &&
    keys.digest(org, 'circumstances', [row.clientAddress, row.userAgent, row.target]) === row.circumstances
  );
}

async function listChains(tx: Tx, org: OrgId | undefined): Promise<readonly ChainName[]> {
  const { rows } = await sql<{ writer: string; org: string | null }>`
    select distinct writer, org_id as org from gateway.audit
    where writer is not null and (${org ?? null}::uuid is null or org_id = ${org ?? null}::uuid)
  `.execute(tx);
  return rows;
}

/** Rows from before there were chains have no place; a later one without was put there by somebody else. */
async function findUnchained(tx: Tx, org: OrgId | undefined): Promise<readonly Problem[]> {
  const { rows } = await sql<{ id: string; org: string | null }>`
    select id, org_id as org from gateway.audit
    where writer is null and at >= (select min(started_at) from gateway.audit_writers)
      and (${org ?? null}::uuid is null or org_id = ${org ?? null}::uuid)
    order by at limit 1
  `.execute(tx);
  const message = 'a row stands in no chain';
  return rows.map((row) => ({ writer: '', org: row.org, seq: 0, kind: 'unchained', message, row: row.id }));
}

async function currentWriters(tx: Tx, keys: AuditKeys): Promise<ReadonlySet<string>> {
  const rows = await tx.selectFrom('audit_writers').select('id').where('key_id', '=', keys.keyId).execute();
  return new Set(rows.map(({ id }) => id));
}
