/** The way over from another gateway, composed: its data is read, written in one transaction, judged, and kept or undone. */
import { createHash } from 'node:crypto';
import type { Found, LeftOut } from '#admin/imports/systems/found.ts';
import { writeFound } from '#admin/imports/systems/write.ts';
import { shownCommand } from '#admin/make-server.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { withOneTransaction } from '#db/scope.ts';
import { digestOf } from '#oauth/record-store.ts';
import { secretPlace } from '#oauth/registration/client-store.ts';
import { judgeChange } from './configuration.ts';
import { listingOf } from './gateway-settings.ts';
import { type OpenRecords, openRecords } from './open-records.ts';
import { openPolicyEngine } from './policy-engine.ts';
import { type ImportWish, readSystem } from './read-system.ts';
import { openOauthSealer } from './root-keys.ts';

export interface ImportReport {
  readonly changes: Awaited<ReturnType<typeof judgeChange>>['changes'];
  readonly access: Awaited<ReturnType<typeof judgeChange>>['access'];
  /** What did not come along as it was, and why. */
  readonly leftOut: readonly LeftOut[];
  readonly settings: Found['settings'];
  /** Of servers that are made: what would run here. */
  readonly commands: readonly string[];
  readonly applied: boolean;
}

/** Asked between the plan and its keeping, with nothing held meanwhile. */
export type Agree = (plan: ImportReport) => Promise<boolean>;

/** `agree`: `true`, all that is found; `false`, a dry run. Throws GatehouseError; nothing of it stays then. */
export async function importSystem(config: Config, wish: ImportWish, agree: Agree | boolean): Promise<ImportReport> {
  const opened = await openRecords(config, silentLog);
  try {
    const { found, close } = await readSystem({ config, wish, opened });
    try {
      if (agree === true) return await onRecord(opened, wish, () => write(config, { found, opened, keep: true }));
      const plan = await write(config, { found, opened, keep: false });
      if (agree === false || plan.changes.length === 0 || !(await agree(plan))) return plan;
      const agreed = digestOfPlan(plan);
      return await onRecord(opened, wish, () => write(config, { found, opened, keep: true, agreed }));
    } finally {
      await close();
    }
  } finally {
    await opened.close();
  }
}

const digestOfPlan = ({ changes, access }: ImportReport): string =>
  createHash('sha256')
    .update(JSON.stringify([changes, access]))
    .digest('base64url');

/** Stands in the trail before anything is changed, and with what came of it. */
async function onRecord(
  { audit }: OpenRecords,
  { system, organization }: ImportWish,
  work: () => Promise<ImportReport>,
): Promise<ImportReport> {
  const end = await audit.beginAudit({
    ...{ at: systemClock.now(), by: { kind: 'platform', isCommandLine: true }, actor: 'command line' },
    ...{ action: 'system.import', organization, target: system, outcome: 'done' },
  });
  try {
    const report = await work();
    await end('done', { changes: report.applied ? report.changes.length : 0, leftOut: report.leftOut.length });
    return report;
  } catch (thrown) {
    await end(thrown instanceof GatehouseError ? thrown.code : 'internal');
    throw thrown;
  }
}

interface Writing {
  readonly found: Found;
  readonly opened: OpenRecords;
  readonly keep: boolean;
  /** The plan that was looked at: another one is not made. */
  readonly agreed?: string;
}

async function write(config: Config, { found, opened, keep, agreed }: Writing): Promise<ImportReport> {
  const { storage } = opened;
  const policies = await openPolicyEngine();
  const sealer = openOauthSealer(storage);
  return withOneTransaction(storage.db, async (db) => {
    const records = storage.recordsOf(db);
    const judging = { storage, policies, log: silentLog, db, listing: listingOf(config) };
    const { result, changes, access } = await judgeChange(judging, async () => {
      const written = await writeFound(
        {
          ...{ records, db, vault: storage.vaultOf(db), engine: policies, clock: systemClock },
          sealClientSecret: (id, secret) => sealer.seal(secretPlace(id), secret),
          digest: digestOf,
          apiKeys: storage.apiKeys,
        },
        found,
      );
      return { ...written, written: [] };
    });
    const told = new Set(changes.map(({ what }) => what));
    const isShown = (what: string) => told.has(what) || /^(?:grant to|member of) group /.test(what);
    const more = result.made
      .filter((what) => !isShown(what))
      .map((what) => ({ action: 'add', what, fields: [] }) as const);
    const plan: ImportReport = {
      ...{ changes: [...changes, ...more.map((change) => ({ ...change, fields: [] }))], access },
      ...{ leftOut: distinct([...found.leftOut, ...result.kept]), settings: found.settings },
      applied: keep && result.made.length > 0,
      commands: found.servers
        .filter(({ key }) => result.made.includes(`server ${key}`))
        .flatMap(({ key, transport }) => shownCommand(transport)?.replace(/^/, `${key}: `) ?? []),
    };
    // Inside the transaction: what was made so far is undone.
    if (agreed !== undefined && agreed !== digestOfPlan(plan))
      throw new GatehouseError('conflict', {
        message: 'The gateway changed since the plan was shown: look at it again',
      });
    return { result: plan, keep: plan.applied };
  });
}

/** What is read again is said again. */
const distinct = (leftOut: readonly LeftOut[]): readonly LeftOut[] => [
  ...new Map(leftOut.map((one) => [JSON.stringify(one), one])).values(),
];
