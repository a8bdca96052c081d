/** What the admin API reads of the trail and of usage. */
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { countUsage, type UsageLine, type UsageQuery } from '#records/usage.ts';
import type { Vault } from '#records/vault.ts';
import type { Checkpoint, TrailRow } from './canonical.ts';
import { openContent } from './content.ts';
import type { AuditKeys } from './keys.ts';
import { type AuditFilter, type ChainHead, listAudit, listCheckpoints, listHeads } from './rows.ts';
import type { TrailReport } from './verify.ts';
import { verifyDatabase } from './verify-database.ts';

export interface Anchored {
  readonly heads: readonly ChainHead[];
  readonly checkpoints: readonly Checkpoint[];
}

export type AuditContent = 'none' | 'digest' | 'redacted';

/** `org` undefined: the platform's. All may throw `storage_unavailable`. */
export interface AuditReader {
  readonly publicKey: string;
  list(filter: AuditFilter): Promise<readonly TrailRow[]>;
  verify(org: OrgId | undefined): Promise<TrailReport>;
  anchors(org: OrgId | undefined): Promise<Anchored>;
  /** null: nothing was kept. Throws `not_found`, and `credential_unavailable` where it does not open. */
  content(org: OrgId, id: string): Promise<string | null>;
  /** What is kept of arguments. */
  findContentSetting(org: OrgId): Promise<AuditContent>;
  setContent(org: OrgId, content: AuditContent): Promise<void>;
  usage(org: OrgId, query: UsageQuery): Promise<readonly UsageLine[]>;
}

export interface AuditReaderDeps {
  readonly db: Db;
  readonly keys: AuditKeys;
  readonly vault: Pick<Vault, 'open'>;
}

export function openAuditReader({ db, keys, vault }: AuditReaderDeps): AuditReader {
  /** Row-level security decides a second time. */
  const reading = <T>(org: OrgId | undefined, work: (tx: Tx) => Promise<T>): Promise<T> =>
    org === undefined ? withPlatform(db, ({ tx }) => work(tx)) : withOrganization(db, org, ({ tx }) => work(tx));
  return {
    publicKey: keys.publicKey,
    list: (filter) => reading(filter.org, (tx) => listAudit(tx, filter)),
    verify: (org) => verifyDatabase(db, keys, org),
    anchors: (org) =>
      reading(org, async (tx) => ({ heads: await listHeads(tx, org), checkpoints: await listCheckpoints(tx, org) })),
    async content(org, id) {
      const row = await reading(org, (tx) =>
        tx.selectFrom('audit').select('content').where('id', '=', id).executeTakeFirst(),
      );
      if (!row) throw new GatehouseError('not_found', { message: 'There is no such record' });
      return row.content === null ? null : openContent(vault, { org, id }, row.content);
    },
    findContentSetting: (org) =>
      reading(org, async (tx) => {
        const found = tx.selectFrom('organizations').select('audit_content').where('id', '=', org);
        return (await found.executeTakeFirstOrThrow()).audit_content;
      }),
    async setContent(org, content) {
      await reading(org, (tx) =>
        tx.updateTable('organizations').set({ audit_content: content }).where('id', '=', org).execute(),
      );
    },
    usage: (org, query) => withOrganization(db, org, (scope) => countUsage(scope, query)),
  };
}
