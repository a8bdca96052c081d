/**
 * Ids of tasks as clients know them: sealed, so that any replica finds the task at its server, and that they are worth
 * nothing to anybody else (SECURITY C6).
 */
import { isJsonObject, type JsonObject, parseJsonObject, stringIn } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';

/** A task at its server, and in which session with it. */
export interface TaskTicket {
  readonly binding: string;
  readonly taskId: string;
  /** The server's own name of what was called: what is taken out of its results. */
  readonly tool: string;
  readonly lane: string;
  /** As declared when the task was made: part of what names a session with a legacy server. */
  readonly capabilities: JsonObject;
  readonly logLevel: string | undefined;
  /** Where the server's questions about it are heard. */
  readonly replica: string;
}

/** A call that was over at once, although the client asked for a task: the id holds its result. */
export interface DoneTicket {
  readonly binding: string;
  readonly tool: string;
  readonly result: JsonObject;
  /** ISO 8601. */
  readonly at: string;
}

/** Longer results make no id. */
export const MAX_SEALED_RESULT = 131_072;

export interface TaskIds {
  seal(asking: Whose, ticket: TaskTicket | DoneTicket): string;
  /** Undefined: none of ours, another's, or tampered with. */
  open(asking: Whose, id: string): TaskTicket | DoneTicket | undefined;
}

/** Of an `Asking`, as much as counts. */
export interface Whose {
  readonly organization: { readonly id: string };
  readonly view: { readonly endpoint: { readonly id: string } };
  readonly principal: { readonly key: string };
}

const PREFIX = 'task.';

export function openTaskIds(sealer: Sealer): TaskIds {
  return {
    seal(asking, ticket) {
      return PREFIX + sealer.seal(placeOf(asking), JSON.stringify(short(ticket)));
    },
    open(asking, id) {
      if (!id.startsWith(PREFIX)) return undefined;
      const text = sealer.open(placeOf(asking), id.slice(PREFIX.length));
      if (text === undefined) return undefined;
      const { b, t, m, n, c, l, r, result, at } = parseJsonObject(text);
      if (isJsonObject(result)) return { binding: String(b), tool: String(m), result, at: String(at) };
      return {
        binding: String(b),
        taskId: String(t),
        tool: String(m),
        lane: String(n),
        capabilities: isJsonObject(c) ? c : {},
        logLevel: typeof l === 'string' ? l : undefined,
        replica: String(r),
      };
    },
  };
}

function short(ticket: TaskTicket | DoneTicket) {
  const { binding, tool } = ticket;
  if ('result' in ticket) return { b: binding, m: tool, result: ticket.result, at: ticket.at };
  const { taskId, lane, capabilities, logLevel, replica } = ticket;
  return { b: binding, t: taskId, m: tool, n: lane, c: capabilities, l: logLevel, r: replica };
}

function placeOf({ organization, view, principal }: Whose): string {
  return JSON.stringify(['task', organization.id, view.endpoint.id, principal.key]);
}

/**
 * For streams on which clients hear of tasks: by binding, the servers' own ids of these tasks, each with the id that the
 * client knows it by. Ids of nobody's task are left out.
 */
export function heardTasks(
  asking: Whose,
  ids: readonly string[],
  taskIds: TaskIds,
): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const heard = new Map<string, Map<string, string>>();
  for (const id of ids) {
    const ticket = taskIds.open(asking, id);
    if (!ticket || 'result' in ticket) continue;
    const known = heard.get(ticket.binding) ?? new Map<string, string>();
    heard.set(ticket.binding, known.set(ticket.taskId, id));
  }
  return heard;
}

/** `notifications/tasks` of a server (canonical) as the client knows the task; undefined: it isn't one of these. */
export function taskEvent(params: JsonObject, known: ReadonlyMap<string, string> | undefined): JsonObject | undefined {
  const id = known?.get(stringIn(params, 'taskId') ?? '');
  return id === undefined ? undefined : { ...params, taskId: id };
}
