/**
 * `npm run test:accounts`: identity providers against real accounts, for whichever variables are set. Says what was
 * skipped and why; ends with 1 where a vendor isn't as the emulators say. Only reads.
 */
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import type { Account, AccountCheck, AccountEnv } from './account.ts';
import { clerkAccount } from './clerk.ts';
import { entraAccount } from './entra.ts';
import { githubAccount } from './github.ts';
import { workosAccount } from './workos.ts';

const accounts: readonly Account[] = [workosAccount, clerkAccount, entraAccount, githubAccount];

const say = (line: string) => process.stdout.write(`${line}\n`);

async function tryCheck(vendor: string, { title, run }: AccountCheck): Promise<boolean> {
  try {
    const skipped = await run();
    say(skipped === undefined ? `ok       ${vendor}: ${title}` : `skipped  ${vendor}: ${title} (${skipped})`);
    return true;
  } catch (error) {
    say(`FAILED   ${vendor}: ${title}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

const env: AccountEnv = Object.fromEntries(
  Object.entries(process.env).filter((entry): entry is [string, string] => Boolean(entry[1])),
);
const egress = openEgress();
let failed = 0;
for (const { vendor, variables, checks } of accounts) {
  const missing = variables.filter((name) => env[name] === undefined);
  if (missing.length > 0) {
    say(`skipped  ${vendor}: ${missing.join(', ')} not set`);
    continue;
  }
  const found = await checks(env, { fetch: egress.fetch, clock: systemClock, log: silentLog });
  if (found.length === 0) say(`skipped  ${vendor}: no checks yet`);
  for (const check of found) if (!(await tryCheck(vendor, check))) failed++;
}
await egress.close();
process.exitCode = failed > 0 ? 1 : 0;
