/**
 * A scripted MCP server over stdio, written without any SDK so that it can misbehave. Arguments: `modern` (speaks only
 * 2026-07-28), `die` (exits at start), `mute` (never answers initialize), `refuse` (refuses initialize), `roots` (asks
 * for roots once initialized).
 */
const flags = new Set(process.argv.slice(2));
if (flags.has('die')) process.exit(3);

type Id = string | number;
interface Message {
  readonly id?: Id;
  readonly method?: string;
  readonly params?: {
    readonly name?: string;
    readonly arguments?: Record<string, unknown>;
    readonly _meta?: Record<string, unknown>;
    readonly requestId?: Id;
    readonly [key: string]: unknown;
  };
  readonly result?: unknown;
  readonly error?: unknown;
}

const cancelled: Id[] = [];
const heard: string[] = [];
const asked = new Map<Id, (answer: Message) => void>();
let count = 0;
let nextQuestion = 1;
let initialize: unknown;
let roots: unknown;

const raw = (text: string) => process.stdout.write(`${text}\n`);
const send = (message: object) => raw(JSON.stringify({ jsonrpc: '2.0', ...message }));
const answer = (id: Id | undefined, result: object) => send({ id, result });
const text = (id: Id | undefined, value: unknown) =>
  answer(id, { content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }] });

function ask(method: string, params: object): Promise<Message> {
  const id = nextQuestion++;
  send({ id, method, params });
  return new Promise((resolve) => asked.set(id, resolve));
}

const tools: Record<string, (args: Record<string, unknown>, message: Message) => unknown> = {
  echo(args, { id }) {
    // An unknown content type, an unknown field and an integer no double holds: all must survive.
    const result = `{"content":[{"type":"text","text":${JSON.stringify(args.message)}},{"type":"x/new","n":9007199254740993}],"future":1e400}`;
    setTimeout(
      () => raw(`{"result":${result}, "jsonrpc":"2.0","id":${JSON.stringify(id)},"extra":[1.0]}`),
      Number(args.delayMs ?? 0),
    );
  },
  slow(_args, { id, params }) {
    const progressToken = params?._meta?.progressToken;
    for (const progress of [1, 2]) send({ method: 'notifications/progress', params: { progressToken, progress } });
    setTimeout(() => text(id, 'slow done'), 20);
  },
  big: (args, { id }) => text(id, 'x'.repeat(Number(args.bytes))),
  count: (_args, { id }) => text(id, ++count),
  pid: (_args, { id }) => text(id, process.pid),
  env: (_args, { id }) => text(id, process.env.API_KEY ?? ''),
  initialize: (_args, { id }) => text(id, initialize),
  roots: (_args, { id }) => setImmediate(() => text(id, roots ?? null)),
  heard: (_args, { id }) => text(id, { heard, cancelled }),
  hang: () => {},
  crash: () => process.exit(7),
  progressAndCrash(_args, { params }) {
    send({ method: 'notifications/progress', params: { progressToken: params?._meta?.progressToken, progress: 1 } });
    setTimeout(() => process.exit(7), 50);
  },
  garbage(args, { id }) {
    for (let i = 0; i < Number(args.lines); i++) raw(`not json ${i}`);
    text(id, 'after garbage');
  },
  broken: (_args, { id }) => raw(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"a":1,"a":2}}`),
  flood() {
    const block = 'x'.repeat(65536);
    const write = () => {
      while (process.stdout.write(block));
      process.stdout.once('drain', write);
    };
    write();
  },
  stderr(_args, { id }) {
    for (let i = 0; i < 4000; i++) process.stderr.write(`${'e'.repeat(70)}\n`);
    text(id, 'still here');
  },
  strangers(_args, { id }) {
    send({ id: 424242, result: { for: 'nobody' } });
    send({ id: 'x', result: { for: 'nobody' } });
    send({ id, result: { content: [{ type: 'text', text: 'first' }] } });
    send({ id, result: { content: [{ type: 'text', text: 'second' }] } });
  },
  async sample(_args, { id }) {
    const reply = await ask('sampling/createMessage', { messages: [], maxTokens: 1 });
    text(id, reply.error ?? reply.result);
  },
  async later(args, { id }) {
    text(id, 'asked later');
    await new Promise((resolve) => setTimeout(resolve, Number(args.ms)));
    heard.push(JSON.stringify((await ask('sampling/createMessage', { messages: [], maxTokens: 1 })).error));
  },
  notify(args, { id }) {
    send({ method: args.method, params: args.params });
    text(id, 'notified');
  },
};

function listen(message: Message): void {
  const _meta = { 'io.modelcontextprotocol/subscriptionId': message.id };
  send({ method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: {} } });
  send({ method: 'notifications/tools/list_changed', params: { _meta } });
  setTimeout(() => answer(message.id, { resultType: 'complete', _meta }), 50);
}

async function onMessage(message: Message): Promise<void> {
  const { id, method, params } = message;
  if (method === undefined) {
    if (id !== undefined) asked.get(id)?.(message);
    return;
  }
  if (id === undefined) heard.push(method);
  if (method === 'notifications/cancelled' && params?.requestId !== undefined) cancelled.push(params.requestId);
  if (method === 'notifications/initialized' && flags.has('roots')) roots = (await ask('roots/list', {})).result;
  if (id === undefined) return;
  if (method === 'initialize' && !flags.has('modern')) {
    if (flags.has('mute')) return;
    if (flags.has('refuse')) return void send({ id, error: { code: -32602, message: 'not you' } });
    initialize = params;
    const serverInfo = { name: 'scripted', version: '1', future: 9007199254740993n.toString() };
    answer(id, { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo });
  } else if (method === 'server/discover' && flags.has('modern')) {
    answer(id, { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ttlMs: 0, cacheScope: 'private' });
  } else if (method === 'subscriptions/listen' && flags.has('modern')) listen(message);
  else if (method === 'tools/list')
    answer(id, { tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) });
  else if (method === 'resources/subscribe') answer(id, {});
  else if (method === 'tools/call') await tools[params?.name ?? '']?.(params?.arguments ?? {}, message);
  else send({ id, error: { code: -32601, message: 'Method not found' } });
}

let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk: string) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) void onMessage(JSON.parse(line));
});
process.stdin.on('end', () => process.exit(0));
