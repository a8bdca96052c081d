/** What this adapter needs of the container runner: `openContainerRunner()` of #runner/containers satisfies it. */
import type { ProcessChild, ProcessExit, ProcessSpec } from '#adapters/upstream/stdio/process.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { ContainerTransport } from '#core/transport.ts';

export interface ContainerSpec extends Pick<ProcessSpec, 'env' | 'owner' | 'idle'> {
  readonly server: ServerId;
  readonly key: string;
  readonly org: OrgId | undefined;
  readonly transport: ContainerTransport;
}

export interface ContainerEvents {
  onLine(line: Buffer): void;
  /** Where a container that listens is reached: `http://127.0.0.1:…`. It may not answer yet. */
  onListening?(origin: string): void;
  onExit(exit: ProcessExit): void;
}

export interface Containers {
  spawn(spec: ContainerSpec, events: ContainerEvents): ProcessChild;
  makeRoom(owner: string): Promise<boolean>;
}
