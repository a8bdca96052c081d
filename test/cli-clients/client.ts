/** What the lane knows of a client: how it is installed, set up, signed in, and asked whether it is. */
import type { CommandOptions, CommandResult } from './command.ts';

/** A reason why something is not tried: said, and never counted as passed. */
export class Skipped extends Error {}

export interface Desk {
  /** The client's program. */
  readonly program: string;
  /** HOME and working folder: fresh, and nobody else's. */
  readonly home: string;
  readonly mcpUrl: string;
  /** Rejects where it ends with another code than 0, or not in time. */
  run(command: readonly string[], options?: DeskOptions): Promise<CommandResult>;
}

export interface DeskOptions extends Partial<Pick<CommandOptions, 'timeoutMs' | 'watch'>> {
  /** It ends with an error, or is stopped: what counts is what it did. */
  readonly anyCode?: boolean;
}

export interface CliClient {
  readonly name: string;
  /** Under .cache/cli-clients, and on the command line of the lane. */
  readonly key: string;
  readonly package: string;
  /** Exact: what was shown was shown with this one. */
  readonly version: string;
  /** In node_modules/.bin. */
  readonly program: string;
  /** What it calls itself in `initialize` or `server/discover`. */
  readonly clientName: string;
  /** As people are told to type it. */
  readonly lines: readonly string[];
  /** Opt-outs of everything that isn't needed, and of the way out. */
  readonly env: Readonly<Record<string, string>>;
  /** What can't be shown here, and why. */
  readonly skipped: readonly string[];
  /** Files that must be there before it runs. */
  prepare?(desk: Desk): void;
  /** Adds the URL and signs in with the client's own commands; the browser is somebody else's concern. */
  signIn(desk: Desk): Promise<void>;
  /** The client's own words that it is connected. Throws where it says otherwise. */
  status(desk: Desk): Promise<string>;
}

export const serverName = 'acme';

/** Everything but loopback leads nowhere, where a client takes its proxies from the environment. */
export const noWayOut = {
  HTTPS_PROXY: 'http://127.0.0.1:9',
  NO_PROXY: '127.0.0.1,localhost',
} as const;

/** The line of the output that names our server, as it stands there. Throws where it lacks `expected`. */
export function lineSaying({ text }: CommandResult, expected: RegExp): string {
  const line = text.split('\n').find((candidate) => candidate.includes(serverName) && expected.test(candidate));
  if (line === undefined) throw new Error(`it doesn't say that it is connected:\n${text.trim()}`);
  return line
    .replace(/^[│●\s]+/, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
