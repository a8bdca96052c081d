/** How a program is run for a server, whatever runs it: data of a server definition, read by the runner's adapters. */

/** What a program runs with, beside its command. */
export interface RunOptions {
  /** The program's whole environment, beside what its runner gives every program. */
  readonly env: Readonly<Record<string, string>>;
  /** Name of the variable that receives the binding's credential. */
  readonly credentialEnv?: string;
  /** stateful: one program per principal and credential; stateless: shared by all callers of the organization. */
  readonly state: ServerState;
  readonly volumes?: readonly Volume[];
  /** Left out: no network, and no files but its volumes and its own working directory. */
  readonly permission?: PermissionProfile;
  readonly resources?: Partial<RunResources>;
}

export type ServerState = 'stateful' | 'stateless';

/** A folder of the host that the program sees. */
export interface Volume {
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the program's world. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** REQUIREMENTS S2.13. */
export interface PermissionProfile {
  /** `full`: as the gateway itself; a list: these hosts only, `example.com` or `*.example.com`, with `:port` or any port. */
  readonly network: 'none' | 'full' | { readonly allow: readonly string[] };
  /** Absolute paths of the host that it may read, at the same place; */
  readonly read?: readonly string[];
  /** read and write. */
  readonly write?: readonly string[];
}

/** Of one program with all its children. */
export interface RunResources {
  readonly memoryMb: number;
  /** 0.5: half of one processor. */
  readonly cpus: number;
  readonly processes: number;
  readonly openFiles: number;
  /** Of one file. */
  readonly fileMb: number;
}

export const noNetwork: PermissionProfile = { network: 'none' };
