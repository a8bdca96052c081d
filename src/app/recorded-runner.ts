/** Puts programs of stdio servers on record: what runs, and what it writes to stderr. */
import type { UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { asOrgId, type ServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { RootLog } from '#http/log.ts';
import type { Runner } from '#runner/runner.ts';
import type { Runs } from '#runner/runs.ts';

const byPid = new Map<number, { readonly id: string; readonly server: ServerId }>();

export function recordedRunner(runner: Runner, runs: Runs, { id: server, key }: UpstreamTarget): Runner {
  return {
    ...runner,
    spawn(spec, events) {
      let id: string | undefined;
      const child = runner.spawn(spec, {
        ...events,
        onExit(exit) {
          if (child.pid !== undefined) byPid.delete(child.pid);
          if (id !== undefined)
            runs.remove(id, { at: Date.now(), code: exit.code, signal: exit.signal, reason: exit.reason });
          events.onExit(exit);
        },
      });
      if (child.pid !== undefined) {
        id = `${key}-${child.pid}`;
        byPid.set(child.pid, { id, server });
        const org = spec.owner === undefined ? undefined : asOrgId(spec.owner);
        runs.add(
          { id, server, key, org, kind: 'process', pid: child.pid, startedAt: Date.now(), sandbox: 'none' },
          async () => void (await child.stop()),
        );
      }
      return child;
    },
  };
}

export function recordedLog(log: RootLog, runs: Runs): Log {
  return {
    ...log,
    info(fields, message) {
      log.info(fields, message);
      if (!('stderr' in fields) || !('pid' in fields)) return;
      const { stderr, pid } = fields;
      const known = typeof pid === 'number' ? byPid.get(pid) : undefined;
      if (known && typeof stderr === 'string') runs.log(known.server, known.id, stderr);
    },
  };
}
