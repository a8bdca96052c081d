/**
 * `tmux-server`: an MCP server over the program tmux, on standard input and output (REQUIREMENTS S1.33). No shell starts
 * anything here, and no value can be taken for an option (SECURITY G2); what is typed into a pane is for the shell there.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { McpServer } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const run = promisify(execFile);

/** Runs tmux with these arguments; what it printed. Rejects with what it said. */
export type Tmux = (args: readonly string[]) => Promise<string>;

const MAX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

export function openTmux(socket: string, variables: NodeJS.ProcessEnv): Tmux {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(socket)) throw new Error('TMUX_SOCKET is a name of letters and digits');
  return async (args) => {
    // Nobody, as whom sandboxed programs run, has no shell that stays.
    const env = { ...variables, SHELL: variables.SHELL ?? '/bin/sh' };
    const options = { shell: false, maxBuffer: MAX_BYTES, timeout: TIMEOUT_MS, env };
    // -u: elsewhere than in a UTF-8 locale the tabs between fields would come as something else.
    const { stdout } = await run('tmux', ['-u', '-L', socket, '-f', '/dev/null', ...args], options);
    return stdout;
  };
}

const session = z.string().regex(/^\$\d{1,9}$/, 'must be the id of a session, such as $1');
const window = z.string().regex(/^@\d{1,9}$/, 'must be the id of a window, such as @1');
const pane = z.string().regex(/^%\d{1,9}$/, 'must be the id of a pane, such as %1');
const name = z.string().regex(/^[A-Za-z0-9][\w -]{0,63}$/, 'must be letters, digits, spaces, - and _');

type Result = { content: { type: 'text'; text: string }[]; isError?: boolean };

const text = (value: unknown): Result => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value ?? null, null, 2) }],
});

/** What tmux refuses is an answer. */
async function answer(work: () => Promise<unknown>): Promise<Result> {
  try {
    return text(await work());
  } catch (thrown) {
    const said = thrown instanceof Error && 'stderr' in thrown ? String(thrown.stderr).trim() : '';
    return { ...text(said === '' ? 'tmux could not do that' : said), isError: true };
  }
}

interface Typed {
  readonly paneId: string;
  readonly command: string;
}

const MAX_TYPED = 1000;

export function tmuxServer(tmux: Tmux): McpServer {
  const server = new McpServer({ name: 'tmux', version: '1.0.0' });
  registerLists(server, tmux);
  registerChanges(server, tmux);
  registerCommands(server, tmux);
  return server;
}

/** `fields`: our name of each tmux format variable. */
async function list(tmux: Tmux, args: readonly string[], fields: Readonly<Record<string, string>>) {
  const format = Object.values(fields).map((field) => `#{${field}}`);
  const lines = (await tmux([...args, '-F', format.join('\t')])).split('\n').filter(Boolean);
  const names = Object.keys(fields);
  return lines.map((line) => Object.fromEntries(line.split('\t').map((value, at) => [names[at] ?? '', value])));
}

const sessionFields = {
  id: 'session_id',
  name: 'session_name',
  windows: 'session_windows',
  attached: 'session_attached',
};
const windowFields = { id: 'window_id', name: 'window_name', active: 'window_active' };
const paneFields = { id: 'pane_id', title: 'pane_title', active: 'pane_active', command: 'pane_current_command' };

/** Without a session there is no server to ask. */
async function sessions(tmux: Tmux) {
  try {
    return await list(tmux, ['list-sessions'], sessionFields);
  } catch {
    return [];
  }
}

function registerLists(server: McpServer, tmux: Tmux): void {
  server.registerTool('list-sessions', { description: 'All sessions' }, () => answer(() => sessions(tmux)));
  server.registerTool(
    'find-session',
    { description: 'The session of this name', inputSchema: z.object({ name }) },
    (asked) => answer(async () => (await sessions(tmux)).find((one) => one.name === asked.name) ?? 'There is none'),
  );
  server.registerTool(
    'list-windows',
    { description: 'The windows of a session', inputSchema: z.object({ sessionId: session }) },
    ({ sessionId }) => answer(() => list(tmux, ['list-windows', '-t', sessionId], windowFields)),
  );
  server.registerTool(
    'list-panes',
    { description: 'The panes of a window', inputSchema: z.object({ windowId: window }) },
    ({ windowId }) => answer(() => list(tmux, ['list-panes', '-t', windowId], paneFields)),
  );
  const lines = z.coerce.number().int().min(1).max(50_000).default(200);
  server.registerTool(
    'capture-pane',
    {
      description: 'What a pane shows, and showed before',
      inputSchema: z.object({ paneId: pane, lines: lines.describe('Of the past'), colors: z.boolean().default(false) }),
    },
    (asked) => answer(() => capture(tmux, asked)),
  );
}

const capture = (tmux: Tmux, asked: { paneId: string; lines: number; colors: boolean }): Promise<string> =>
  tmux(['capture-pane', '-p', ...(asked.colors ? ['-e'] : []), '-t', asked.paneId, '-S', `-${asked.lines}`]);

function registerChanges(server: McpServer, tmux: Tmux): void {
  server.registerTool('create-session', { description: 'A new session', inputSchema: z.object({ name }) }, (asked) =>
    answer(async () => {
      await tmux(['new-session', '-d', '-x', '200', '-y', '50', '-s', asked.name]);
      return (await sessions(tmux)).find((one) => one.name === asked.name);
    }),
  );
  server.registerTool(
    'create-window',
    { description: 'A new window', inputSchema: z.object({ sessionId: session, name }) },
    ({ sessionId, name: given }) =>
      answer(() => tmux(['new-window', '-d', '-P', '-F', '#{window_id}', '-t', `${sessionId}:`, '-n', given])),
  );
  server.registerTool(
    'split-pane',
    {
      description: 'Two panes in the place of one',
      inputSchema: z.object({
        paneId: pane,
        direction: z.enum(['horizontal', 'vertical']).default('vertical'),
        size: z.number().int().min(1).max(99).default(50).describe('Percent'),
      }),
    },
    ({ paneId, direction, size }) =>
      answer(() => {
        const way = direction === 'horizontal' ? '-h' : '-v';
        return tmux(['split-window', '-d', way, '-l', `${size}%`, '-P', '-F', '#{pane_id}', '-t', paneId]);
      }),
  );
  const kills = [
    ['kill-session', 'sessionId', session],
    ['kill-window', 'windowId', window],
    ['kill-pane', 'paneId', pane],
  ] as const;
  for (const [tool, argument, id] of kills) {
    const inputSchema = z.object({ [argument]: id });
    server.registerTool(tool, { description: 'Ends it, and what runs there', inputSchema }, (asked) =>
      answer(async () => {
        await tmux([tool, '-t', String(asked[argument])]);
        return 'done';
      }),
    );
  }
}

function registerCommands(server: McpServer, tmux: Tmux): void {
  const typed = new Map<string, Typed>();
  server.registerTool(
    'execute-command',
    {
      description: 'Types a command into a pane and presses Enter; get-command-result tells how it went',
      inputSchema: z.object({
        paneId: pane,
        command: z.string().min(1).max(65_536),
        rawMode: z.boolean().default(false).describe('Typed as it is: for what is no shell'),
        noEnter: z.boolean().default(false),
      }),
    },
    ({ paneId, command, rawMode, noEnter }) =>
      answer(async () => {
        const id = randomBytes(8).toString('hex');
        const isRaw = rawMode || noEnter;
        const line = isRaw ? command : `echo "MCP_BEGIN_${id}"; ${command}; echo "MCP_END_${id}_$?"`;
        await tmux(['send-keys', '-t', paneId, '-l', '--', line]);
        if (!noEnter) await tmux(['send-keys', '-t', paneId, 'Enter']);
        if (isRaw) return 'typed';
        typed.set(id, { paneId, command });
        const [oldest] = typed.keys();
        if (typed.size > MAX_TYPED && oldest !== undefined) typed.delete(oldest);
        return { commandId: id, status: 'pending' };
      }),
  );
  server.registerTool(
    'get-command-result',
    { description: 'How a command went', inputSchema: z.object({ commandId: z.string().max(64) }) },
    ({ commandId }) => answer(() => resultOf(tmux, commandId, typed.get(commandId))),
  );
}

async function resultOf(tmux: Tmux, id: string, asked: Typed | undefined) {
  if (!asked) return 'There is no such command';
  const { paneId, command } = asked;
  const shown = await tmux(['capture-pane', '-p', '-J', '-t', paneId, '-S', '-50000']);
  const begin = `\nMCP_BEGIN_${id}\n`;
  const from = shown.lastIndexOf(begin);
  const end = new RegExp(`^MCP_END_${id}_(\\d+) *$`, 'm').exec(shown.slice(Math.max(from, 0)));
  if (from < 0 || !end) return { command, status: 'pending' };
  const output = shown.slice(from + begin.length, from + end.index).replace(/\n$/, '');
  return { command, status: end[1] === '0' ? 'completed' : 'error', exitCode: Number(end[1]), result: output };
}

/** Until standard input ends. Its own sessions end with it; those on a socket that was named are somebody's. */
export async function serveTmux(input: NodeJS.ReadableStream, env: NodeJS.ProcessEnv): Promise<void> {
  const { TMUX_SOCKET: socket } = env;
  const tmux = openTmux(socket ?? `gatehouse-${process.pid}`, env);
  const ended = new Promise((resolve) => input.once('end', resolve));
  const running = new Set<Promise<unknown>>();
  const watched: Tmux = (args) => {
    const work = tmux(args);
    const settled = work.catch(() => undefined).finally(() => running.delete(settled));
    running.add(settled);
    return work;
  };
  await tmuxServer(watched).connect(new StdioServerTransport());
  await ended;
  // What is being made must not come to be after the end.
  await Promise.all(running);
  if (socket === undefined) await tmux(['kill-server']).catch(() => undefined);
}
