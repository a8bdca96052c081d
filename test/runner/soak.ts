/**
 * `npm run soak:runner [-- CYCLES [MINUTES]]`: ten thousand starts and stops of a child, in the sandbox where there is
 * one, then what they left behind. Ends by itself after MINUTES (30) and exits 1 where anything was left.
 */
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { addressGuard } from '#http/address-guard.ts';
import { openRunner } from '#runner/runner.ts';
import { openSandbox } from '#runner/sandbox/sandbox.ts';
import { cycle, findRemains, type Remains } from './cycles.ts';

const [cycles = 10_000, minutes = 30] = process.argv.slice(2).map(Number);
const WARM_UP = 200;
const AT_ONCE = 4;
const REPORT_EVERY = 500;

const base = { clock: systemClock, log: silentLog, env: process.env };
const sandbox = openSandbox({
  ...base,
  egress: { guard: addressGuard(), proxyFor: () => undefined },
  secret: [],
  dataDir: '/var/lib/gatehouse',
});
const { state, reason } = await sandbox.check();
const runner = openRunner({ ...base, ...(state === 'ready' && { sandbox }) });
const pids: number[] = [];
const until = performance.now() + minutes * 60_000;
const say = (text: string) => process.stdout.write(`${text}\n`);

async function run(count: number): Promise<void> {
  let left = count;
  const work = async () => {
    while (left-- > 0 && performance.now() < until) {
      pids.push(await cycle(runner));
      if (pids.length % REPORT_EVERY === 0)
        say(`${pids.length} cycles  ${JSON.stringify(findRemains(pids.slice(-REPORT_EVERY)))}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

function judge(before: Remains, after: Remains): readonly string[] {
  return [
    ...(after.orphans > 0 ? [`${after.orphans} children are left`] : []),
    ...(after.zombies > 0 ? [`${after.zombies} zombies are left`] : []),
    ...(after.descriptors > before.descriptors + 2
      ? [`descriptors: ${before.descriptors} → ${after.descriptors}`]
      : []),
    ...(after.rssMb > before.rssMb + 60 ? [`memory: ${before.rssMb} → ${after.rssMb} MB`] : []),
    ...(pids.length < cycles ? [`only ${pids.length} of ${cycles} cycles in ${minutes} minutes`] : []),
  ];
}

say(state === 'ready' ? 'in the sandbox' : `without a sandbox: ${reason}`);
const startedAt = performance.now();
await run(Math.min(WARM_UP, cycles));
const before = findRemains(pids);
await run(cycles - pids.length);
// Process numbers come round again: the newest only.
const after = findRemains(pids.slice(-1000));
const faults = judge(before, after);
const seconds = Math.round((performance.now() - startedAt) / 1000);
say(`${pids.length} cycles in ${seconds} s  before ${JSON.stringify(before)}  after ${JSON.stringify(after)}`);
say(faults.length === 0 ? 'PASS: nothing was left behind' : `FAIL: ${faults.join(', ')}`);
await runner.close();
await sandbox.close();
process.exitCode = faults.length === 0 ? 0 : 1;
