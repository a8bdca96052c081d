/**
 * `npm run test:cli-clients [-- codex opencode]`: the real command-line clients from npm sign in at this gateway, the
 * browser leg scripted. Says what was skipped and why; ends with 1 where a client can't sign in. A whole run writes
 * docs/reference/cli-clients.md.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, type Place } from './attempt.ts';
import { openBrowser } from './browser.ts';
import { type CliClient, Skipped } from './client.ts';
import { clients } from './clients.ts';
import { install } from './install.ts';
import { type Finding, renderPage } from './page.ts';
import { kinds, openWorld } from './world.ts';

const root = join(import.meta.dirname, '../..');
const cache = join(root, '.cache/cli-clients');
/** Of the whole lane: whatever hangs, it ends, and its children with it. */
const totalMs = 20 * 60_000;

const say = (line: string) => process.stdout.write(`${line}\n`);
const wanted = process.argv.slice(2);
const chosen = clients.filter(({ key }) => wanted.length === 0 || wanted.includes(key));
setTimeout(() => {
  say(`FAILED   not done within ${totalMs / 60_000} minutes`);
  process.exit(1);
}, totalMs).unref();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

async function installAll(): Promise<ReadonlyMap<CliClient, string | Skipped>> {
  const programs = new Map<CliClient, string | Skipped>();
  for (const client of chosen) {
    const found = await install(client, cache).catch((error: unknown) => {
      if (error instanceof Skipped) return error;
      throw error;
    });
    programs.set(client, found);
    if (found instanceof Skipped) say(`skipped  ${client.name} ${client.version}: ${found.message}`);
  }
  return programs;
}

async function tryOne(client: CliClient, program: string, place: Place): Promise<Finding['outcomes'][number]> {
  try {
    const shown = await attempt(client, program, place);
    return { shown };
  } catch (error) {
    if (error instanceof Skipped) return { skipped: error.message };
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}

const programs = await installAll();
const findings = chosen.map((client) => ({ client, outcomes: [] as Finding['outcomes'][number][] }));
const homes = join(cache, 'homes');
const browser = await openBrowser(join(cache, 'browser'));
try {
  for (const kind of kinds) {
    const world = await openWorld(kind);
    try {
      for (const { client, outcomes } of findings) {
        const program = programs.get(client);
        if (program === undefined || program instanceof Skipped) {
          outcomes.push({ skipped: program?.message ?? 'not installed' });
          continue;
        }
        const outcome = await tryOne(client, program, { world, browser, homes });
        outcomes.push(outcome);
        const title = `${client.name} ${client.version}, ${kind.title}`;
        if ('shown' in outcome) say(`ok       ${title}: ${outcome.shown.said}`);
        else if ('skipped' in outcome) say(`skipped  ${title}: ${outcome.skipped}`);
        else say(`FAILED   ${title}: ${outcome.failed}`);
      }
    } finally {
      await world.close();
    }
  }
} finally {
  await browser.close();
  rmSync(homes, { recursive: true, force: true });
}
for (const { client } of findings)
  for (const what of client.skipped) say(`skipped  ${client.name} ${client.version}: ${what}`);
if (chosen.length === clients.length) {
  const folder = join(root, 'docs/reference');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'cli-clients.md'), renderPage(findings));
  say('docs/reference/cli-clients.md');
}
process.exitCode = findings.some(({ outcomes }) => outcomes.some((outcome) => 'failed' in outcome)) ? 1 : 0;
