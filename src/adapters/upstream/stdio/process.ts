/**
 * What this adapter needs of the runner, handed to it by the composition root (an adapter doesn't import it).
 * `openRunner()` of #runner/runner.ts satisfies it.
 */
import type { Socket } from 'node:net';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { RunOptions } from '#core/run.ts';
import type { Secret } from '#core/secret.ts';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: string;
  readonly stderr: string;
}

export interface ProcessChild {
  readonly pid: number | undefined;
  readonly pendingBytes: number;
  write(line: Buffer): boolean;
  stop(): Promise<ProcessExit>;
  kill(reason: string): void;
}

export interface ListeningChild extends ProcessChild {
  /** To a port where it listens. Rejects when nothing does, or after `timeoutMs`. */
  connect(port: number, timeoutMs: number): Promise<Socket>;
}

export interface ProcessSpec extends Pick<RunOptions, 'permission' | 'volumes' | 'resources'> {
  readonly server: ServerId;
  /** Whose calls start it. */
  readonly org: OrgId;
  /** It accepts connections: `ListeningChild.connect`. */
  readonly listens?: boolean;
  /** Where, for people who look. */
  readonly url?: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly cwd: string | undefined;
  readonly label: string;
  /** Whose share of the children it counts against. */
  readonly owner: string;
  readonly idle: { since(): number | undefined; end(): Promise<void> };
}

export interface ProcessRunner<C extends ProcessChild = ProcessChild> {
  /** Before `spawn`. Rejects GatehouseError `upstream_unreachable` where programs cannot run. */
  ready(): Promise<void>;
  spawn(spec: ProcessSpec, events: { onLine(line: Buffer): void; onExit(exit: ProcessExit): void }): C;
  /** Ends an idle child, of whatever server, that stands in the way of another one of `owner`; false: there is none. */
  makeRoom(owner: string): Promise<boolean>;
}
