/**
 * PostgreSQL inside the process, in a data directory: the default with no settings. One process only (the lock), one
 * connection only; application queries run as a role without superuser rights so that row-level security holds.
 */

import { access, constants, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { type Dialect, PGliteDialect } from 'kysely';
import { z } from 'zod';
import { applicationRole, type Database, type DatabaseDeps } from '#adapters/database/database.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';
import { type BlockGuard, openBlockGuard } from './block-guard.ts';
import { lockDirectory } from './lock.ts';
import { getSeed } from './seed.ts';
import { unpackTar } from './unpack.ts';
import { withWatchdog } from './watchdog.ts';

/** No query of ours takes as long inside one process; after a full disk PGlite never answers again. */
const stuckMs = 5_000;
const blockedMs = 6_000;

const config = z.strictObject({
  /** Made if missing; holds `postgres/` and `postgres.lock`. */
  directory: z.string().min(1),
  /** Where the prepared seed is kept between fresh starts (`seed-<hash>.tar`); without it every fresh start takes seconds. */
  seedFolder: z.string().min(1).optional(),
});

type PgliteConfig = z.output<typeof config>;

export const pglite: Adapter<'pglite', typeof config, DatabaseDeps, Database> = {
  kind: 'pglite',
  title: 'Embedded PostgreSQL (PGlite), one process',
  config,
  open,
};

async function open(settings: PgliteConfig, deps: DatabaseDeps): Promise<Database> {
  await makeDirectory(settings.directory);
  const release = await lockDirectory(settings.directory);
  try {
    const engine = await openEngine(settings, deps);
    return asDatabase(engine, release);
  } catch (error) {
    await release();
    throw error;
  }
}

/** Also tried to write to: the lock file must be able to appear. */
async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason';
    throw new GatehouseError('setting', {
      message: `The data directory ${directory} cannot be written to (${reason}): correct its owner or mode, or set DATA_DIR`,
      cause,
    });
  }
}

async function openEngine(settings: PgliteConfig, deps: DatabaseDeps): Promise<PGlite> {
  const place = join(settings.directory, 'postgres');
  if (!(await exists(join(place, 'PG_VERSION')))) await makeCluster(place, settings.seedFolder, deps);
  const engine = await PGlite.create(place);
  try {
    await deps.migrations.run(sharedDialect(engine));
    await deps.asOwner?.(sharedDialect(engine));
    await engine.exec(`set role ${applicationRole}`);
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Unpacks the seed beside its place and renames it: a kill in between leaves nothing that looks complete. */
async function makeCluster(place: string, seedFolder: string | undefined, deps: DatabaseDeps): Promise<void> {
  const partial = `${place}.partial`;
  await rm(partial, { recursive: true, force: true });
  await rm(place, { recursive: true, force: true });
  const seed = seedFolder ? await getSeed(seedFolder, await seedName(deps), () => makeSeed(deps)) : undefined;
  // Unpacked here: PGlite would start a whole engine for it, twice the time.
  if (seed) unpackTar(Buffer.from(await seed.arrayBuffer()), partial);
  else await (await PGlite.create(partial)).close();
  await rename(partial, place);
}

async function makeSeed({ migrations }: DatabaseDeps): Promise<Blob> {
  const engine = await PGlite.create();
  try {
    await migrations.run(sharedDialect(engine));
    return await engine.dumpDataDir('none');
  } finally {
    await engine.close();
  }
}

/** A seed fits one set of migrations and one build of PGlite. */
async function seedName({ migrations }: DatabaseDeps): Promise<string> {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const manifest = JSON.parse(await readFile(join(dirname(dirname(entry)), 'package.json'), 'utf8'));
  return `seed-${migrations.fingerprint}-${z.object({ version: z.string() }).parse(manifest).version}.tar`;
}

function asDatabase(engine: PGlite, release: () => Promise<void>): Database {
  let closing: Promise<void> | undefined;
  const guard = openBlockGuard(blockedMs);
  return {
    kind: 'pglite',
    dialect: sharedDialect(engine, guard),
    async listen(channel, onPayload) {
      const end = await engine.listen(channel, onPayload);
      return async () => {
        if (!engine.closed) await end();
      };
    },
    close() {
      closing ??= closeAll(engine, guard).then(release);
      return closing;
    },
  };
}

async function closeAll(engine: PGlite, guard: BlockGuard): Promise<void> {
  if (!engine.closed) await engine.close();
  await guard.close();
}

/** Kysely's `destroy` must not close the engine: `Database.close` does, and releases the lock after it. */
function sharedDialect(engine: PGlite, guard?: BlockGuard): Dialect {
  const dialect = withWatchdog(new PGliteDialect({ pglite: engine }), stuckMs, guard);
  return {
    createAdapter: () => dialect.createAdapter(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => {
      const driver = dialect.createDriver();
      driver.destroy = async () => undefined;
      return driver;
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw new GatehouseError('setting', {
        message: `The data directory cannot be read: ${error.message}`,
        cause: error,
      });
    },
  );
}
