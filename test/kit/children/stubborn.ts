/** Ignores SIGTERM and the end of stdin; with `--family` has a grandchild in its group and one that left it. */
import { spawn } from 'node:child_process';

process.on('SIGTERM', () => {});
process.stdin.on('error', () => {});
const pids = [process.pid];
if (process.argv.includes('--family')) {
  for (const detached of [false, true]) {
    const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM",()=>{});setInterval(()=>{},1000)'], {
      detached,
      stdio: 'ignore',
    });
    if (child.pid !== undefined) pids.push(child.pid);
  }
}
setInterval(() => {}, 1000);
setTimeout(() => process.exit(9), 60_000).unref();
process.stdout.write(`${JSON.stringify(pids)}\n`);
