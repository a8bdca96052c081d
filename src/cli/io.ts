/** What a command may touch: handed in by main.ts, so that tests run commands in-process with their own. */
export interface Io {
  /** Data: standard output. */
  readonly out: (text: string) => void;
  /** For people: standard error. */
  readonly err: (text: string) => void;
  readonly outIsTerminal: boolean;
  /** Width of the terminal behind standard output. */
  readonly outColumns?: number | undefined;
  readonly errIsTerminal: boolean;
  readonly inIsTerminal: boolean;
  readonly input: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** How people call this command line: `node bin/gatehouse.mjs` in a clone. */
  readonly command: string;
  /** Text of a file; undefined if there is none. */
  readonly readFile: (path: string) => string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
  /** Calls back, once, with what nobody caught. */
  readonly onCrash: (listener: (error: unknown) => void) => void;
  /** Calls back at every such signal. */
  readonly onSignal: (listener: (signal: 'SIGINT' | 'SIGTERM') => void) => void;
  /** Calls back at every SIGHUP; undefined: there is none here. */
  readonly onReload?: (listener: () => void) => void;
}

/** A command line that cannot be understood: exit 2. */
export class UsageError extends Error {}
