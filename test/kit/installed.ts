/** Programs that a machine may have: tests that need one that isn't there are skipped, and say so. */
import { spawnSync } from 'node:child_process';

/** The path of a program (its name in capitals may say which: HAPROXY=/opt/haproxy), or undefined where it doesn't run. */
export function findInstalled(name: string, ...probe: readonly string[]): string | undefined {
  const program = process.env[name.toUpperCase().replaceAll('-', '_')] ?? name;
  const { status } = spawnSync(program, probe, { stdio: 'ignore', timeout: 10_000 });
  return status === 0 ? program : undefined;
}
