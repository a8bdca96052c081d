/** Programs of others, each in a process group of its own: bounded in time, ended with all their children. */
import { spawn } from 'node:child_process';

export interface Conversation {
  say(line: string): void;
  /** Ends the program: it said what was wanted. */
  stop(): void;
}

export interface CommandOptions {
  readonly cwd: string;
  /** The whole environment: nothing of ours is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /** Called at the start and whenever there is more output, with all of it. Without it, standard input is empty. */
  readonly watch?: (text: string, conversation: Conversation) => void;
}

export interface CommandResult {
  /** null: ended by a signal. */
  readonly code: number | null;
  readonly timedOut: boolean;
  /** Standard output and standard error as they came, without terminal codes. */
  readonly text: string;
}

const terminalCodes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** Rejects where the program can't be started. */
export function runCommand(
  [program = '', ...args]: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const { cwd, env, timeoutMs, signal, watch } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    let [raw, timedOut] = ['', false];
    const text = () => raw.replaceAll(terminalCodes, '');
    const stop = () => endGroup(child.pid);
    const conversation = { say: (line: string) => void child.stdin.write(`${line}\n`), stop };
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, timeoutMs);
    process.once('exit', stop);
    signal?.addEventListener('abort', stop);
    const settle = () => {
      clearTimeout(timer);
      process.off('exit', stop);
      signal?.removeEventListener('abort', stop);
    };
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        raw += chunk;
        watch?.(text(), conversation);
      });
    child.stdin.on('error', () => undefined);
    if (watch) watch('', conversation);
    else child.stdin.end();
    child.on('error', (error) => {
      settle();
      reject(error);
    });
    // What it left behind would hold the pipes open.
    child.on('exit', stop);
    child.on('close', (code) => {
      settle();
      resolve({ code, timedOut, text: text() });
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
