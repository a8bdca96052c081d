/** A database of another gateway, loaded from its prepared rows, and this gateway's command line beside it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { readTextFile } from '#config/read-text.ts';
import { createEmptyDatabase, sqlOf } from '#kit/postgres.ts';
import { type CliRun, cli } from '#kit/run-cli.ts';

export const encryptionKey = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';

export interface ImportWorld {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Of this gateway's database. */
  readonly url: string;
  sql(text: string): Promise<Record<string, unknown>[]>;
  /** `gatehouse import --from …` with the variables of this world. */
  run(...args: readonly string[]): Promise<CliRun>;
  /** Its JSON. Throws with its standard error. */
  report(...args: readonly string[]): Promise<ImportReport>;
  command(...args: readonly string[]): Promise<CliRun>;
  open(): Promise<App>;
  close(): Promise<void>;
}

const reportSchema = z.object({
  changes: z.array(z.object({ action: z.string(), what: z.string() })),
  access: z.array(z.object({ who: z.object({ name: z.string() }), server: z.string(), gains: z.array(z.string()) })),
  leftOut: z.array(z.object({ what: z.string(), reason: z.string() })),
  settings: z.array(z.object({ name: z.string(), advice: z.string() })),
  applied: z.boolean(),
});
export type ImportReport = z.output<typeof reportSchema>;

export interface WorldOptions {
  /** This gateway's; default: an empty one. */
  readonly url?: string;
  readonly yaml?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export async function startImportWorld(options: WorldOptions = {}): Promise<ImportWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-import-'));
  const url = options.url ?? (await createEmptyDatabase());
  const apps: App[] = [];
  const env = {
    ...{ PORT: '0', DATA_DIR: join(folder, 'data'), LOG_LEVEL: 'error', DATABASE_URL: url },
    ENCRYPTION_KEY: encryptionKey,
    ...options.env,
  };
  writeFileSync(join(folder, 'gatehouse.yaml'), options.yaml ?? '');
  const command = (...args: readonly string[]) => cli(args, { env, cwd: folder });
  const run = (...args: readonly string[]) => command('import', '--from', ...args);
  return {
    ...{ folder, env, url, command, run },
    sql: (text) => sqlOf(url, text),
    async report(...args) {
      const { code, out, err } = await run(...args, '--json');
      if (code !== 0) throw new Error(err);
      return reportSchema.parse(JSON.parse(out));
    },
    async open() {
      const app = await openApp(loadConfig({ env, cwd: folder, readFile: readTextFile }), { version: '0.0.0' });
      apps.push(app);
      return app;
    },
    async close() {
      for (const app of apps) await app.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Prepared rows, with what differs from run to run put in the place of `{{NAME}}`. */
export async function loadData(name: string, places: Readonly<Record<string, string>> = {}): Promise<string> {
  const url = await createEmptyDatabase();
  const text = readFileSync(join(import.meta.dirname, 'data', name), 'utf8');
  await sqlOf(
    url,
    text.replace(/\{\{(\w+)\}\}/g, (_whole, place: string) => places[place] ?? ''),
  );
  return url;
}
