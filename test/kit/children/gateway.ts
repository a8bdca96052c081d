/** What a gateway looks like to its children: a runner with one stubborn family. Prints their pids; never stops itself. */
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openRunner } from '#runner/runner.ts';

const runner = openRunner({ clock: systemClock, log: silentLog, env: process.env });
const script = new URL('./stubborn.ts', import.meta.url).pathname;
runner.spawn(
  { command: process.execPath, args: [script, '--family'], env: {} },
  { onLine: (line) => process.stdout.write(`${line}\n`), onExit() {} },
);
setTimeout(() => process.exit(9), 60_000).unref();
