/**
 * What every server of the matrix offers, whichever SDK serves it: one description of content, questions and side effects,
 * so that a difference in what a client sees can only come from what lies between.
 */
import type { JsonObject } from '#core/json.ts';

export interface Question {
  readonly method: 'elicitation/create' | 'sampling/createMessage' | 'roots/list';
  readonly params: JsonObject;
}

export type Answers = Readonly<Record<string, JsonObject>>;

/** What a tool can do while it runs, in the words of neither SDK. */
export interface Turn {
  readonly args: JsonObject;
  readonly signal: AbortSignal;
  /** The request's own, as the server got it. */
  readonly requestId: string | number;
  readonly progress: (progress: number, total: number, message: string) => Promise<void>;
  readonly log: (level: string, data: string) => Promise<void>;
  readonly state: State;
}

/** Shared by all sessions of one server. */
export interface State {
  readonly counts: Record<string, number>;
  readonly started: string[];
  readonly cancelled: string[];
  readonly finished: string[];
  readonly waiting: Map<string, () => void>;
  /** Tell whoever listens that the tools changed, and so did `watched`. */
  readonly announcers: Set<() => void>;
}

export const watched = 'test://doc/3';

export const newState = (): State => ({
  counts: {},
  started: [],
  cancelled: [],
  finished: [],
  waiting: new Map(),
  announcers: new Set(),
});

export interface ToolScript {
  readonly definition?: JsonObject;
  /** Happens once per execution, before anything is asked. */
  readonly before?: (turn: Turn) => void;
  /** Asked one round after the other; what is in one round is asked at once. */
  readonly rounds?: readonly Readonly<Record<string, Question>>[];
  readonly run: (turn: Turn, answers: Answers) => JsonObject | Promise<JsonObject>;
}

export const text = (value: unknown): JsonObject => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
});
const block = (content: JsonObject): ToolScript => ({ run: () => ({ content: [content] }) });

/** The smallest files that are what they claim to be: 1×1 PNG, empty WAV. */
export const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
export const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=';

export const form = (message: string, name = 'name'): Question => ({
  method: 'elicitation/create',
  params: {
    message,
    requestedSchema: { type: 'object', properties: { [name]: { type: 'string' } }, required: [name] },
  },
});
const url: Question = {
  method: 'elicitation/create',
  params: { mode: 'url', message: 'Sign in there', url: 'https://example.com/connect', elicitationId: 'e-1' },
};
const sample: Question = {
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: 'Say pong' } }], maxTokens: 10 },
};
const roots: Question = { method: 'roots/list', params: {} };

/** An error that the SDK at hand is to answer with. */
export class Refusal extends Error {
  readonly code: number;
  readonly data: JsonObject | undefined;

  constructor(code: number, message: string, data?: JsonObject) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

const tell = (key: string) => (_turn: Turn, answers: Answers) => text(answers[key] ?? null);
const tag = ({ args }: Turn): string => String(args.tag ?? '');

async function waitForRelease(turn: Turn): Promise<JsonObject> {
  const { signal, state } = turn;
  state.started.push(tag(turn));
  await new Promise<void>((resolve, reject) => {
    state.waiting.set(tag(turn), resolve);
    signal.addEventListener('abort', () => {
      state.cancelled.push(tag(turn));
      reject(new Error('cancelled'));
    });
  });
  state.finished.push(tag(turn));
  return text(`released ${tag(turn)}`);
}

function release(turn: Turn): JsonObject {
  const go = turn.state.waiting.get(tag(turn));
  go?.();
  return text(go ? 'yes' : 'no');
}

function count({ state, args }: Turn): number {
  const key = String(args.tag ?? '');
  state.counts[key] = (state.counts[key] ?? 0) + 1;
  return state.counts[key];
}

export const tools: Readonly<Record<string, ToolScript>> = {
  echo: { run: ({ args }) => text(args) },
  text: block({ type: 'text', text: 'plain text' }),
  image: block({ type: 'image', data: png, mimeType: 'image/png' }),
  audio: block({ type: 'audio', data: wav, mimeType: 'audio/wav' }),
  embedded: block({ type: 'resource', resource: { uri: 'test://embedded', mimeType: 'text/plain', text: 'inside' } }),
  link: block({ type: 'resource_link', uri: 'test://linked', name: 'linked', mimeType: 'text/plain' }),
  structured: {
    definition: {
      outputSchema: { type: 'object', properties: { sum: { type: 'integer' } }, required: ['sum'] },
    },
    run: () => ({ ...text({ sum: 3 }), structuredContent: { sum: 3 } }),
  },
  fails: { run: () => ({ ...text('this went wrong'), isError: true }) },
  refuses: {
    run() {
      throw new Refusal(4711, 'not today', { why: 'closed' });
    },
  },
  progress: {
    async run(turn) {
      for (const step of [1, 2, 3]) await turn.progress(step, 3, `step ${step}`);
      return text('done');
    },
  },
  log: {
    async run(turn) {
      for (const level of ['debug', 'info', 'warning']) await turn.log(level, `${level} of ${String(turn.args.tag)}`);
      return text('logged');
    },
  },
  wait: { run: waitForRelease },
  release: { run: release },
  report: {
    run: ({ state: { counts, started, cancelled, finished } }) => text({ counts, started, cancelled, finished }),
  },
  request_id: { run: ({ requestId }) => text({ requestId }) },
  announce: {
    run({ state }) {
      for (const announce of state.announcers) announce();
      return text('announced');
    },
  },
  ask_form: { rounds: [{ name: form('Who?') }], run: tell('name') },
  ask_url: { rounds: [{ connect: url }], run: tell('connect') },
  ask_model: { rounds: [{ model: sample }], run: tell('model') },
  ask_roots: { rounds: [{ roots }], run: tell('roots') },
  ask_together: {
    rounds: [{ name: form('Who?'), model: sample, roots }],
    run: (_turn, answers) => text({ keys: Object.keys(answers).sort() }),
  },
  ask_in_turn: {
    rounds: [{ first: form('First?') }, { second: form('Second?') }, { third: form('Third?') }],
    run: (_turn, answers) => text(answers),
  },
  ask_a: { rounds: [{ name: form('A?') }], run: tell('name') },
  ask_b: { rounds: [{ name: form('B?') }], run: tell('name') },
  /** Has an effect before it asks. */
  charge: {
    before: (turn) => void count(turn),
    rounds: [{ confirm: form('Charge?') }],
    run: (turn, answers) =>
      text({ counts: turn.state.counts[tag(turn)] ?? 0, action: answers.confirm?.action ?? null }),
  },
  /** The error of 2025-11-25 that asks to open an address and to call again. */
  must_connect: {
    run(turn) {
      const { params } = url;
      if (count(turn) > 1) return text('connected');
      throw new Refusal(-32042, 'Connect first', { elicitations: [params] });
    },
  },
};

export const toolNames: readonly string[] = Object.keys(tools);
export const definitions: readonly JsonObject[] = Object.entries(tools).map(([name, { definition }]) => ({
  name,
  description: `The tool ${name}`,
  inputSchema: { type: 'object' },
  ...definition,
}));

/** So many of a list go on one page. */
export const PAGE = 7;

export function pageOf(items: readonly JsonObject[], cursor: unknown, member: string): JsonObject {
  const from = typeof cursor === 'string' ? Number(cursor) : 0;
  const next = from + PAGE;
  return { [member]: items.slice(from, next), ...(next < items.length ? { nextCursor: String(next) } : {}) };
}
