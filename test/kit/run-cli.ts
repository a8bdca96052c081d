/** One command line run inside the test's own process: what it printed and its exit code. */
import { Readable } from 'node:stream';
import type { Io } from '#cli/io.ts';
import { runCli } from '#cli/program.ts';
import { readTextFile } from '#config/read-text.ts';

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Lines of standard input. */
  readonly input?: readonly string[];
  /** What somebody types at a terminal, instead. */
  readonly person?: Readable;
  readonly terminal?: boolean;
  readonly columns?: number;
}

/** `cwd` is a folder that doesn't exist unless given: no `.env` and no configuration of the machine is read. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const { env = {}, cwd = '/nonexistent', input = [], terminal = false, columns, person } = options;
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    outIsTerminal: terminal,
    outColumns: columns,
    errIsTerminal: terminal,
    inIsTerminal: person !== undefined,
    input: person ?? Readable.from(input.map((line) => `${line}\n`)),
    env,
    cwd,
    command: 'gatehouse',
    readFile: readTextFile,
    fetch: globalThis.fetch,
    exit: () => undefined,
    onCrash: () => undefined,
    onSignal: () => undefined,
  };
  const code = await runCli(args, io, '1.2.3');
  return { code, out: out.join(''), err: err.join('') };
}
