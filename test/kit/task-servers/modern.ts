/**
 * A server of 2026-07-28 with the tasks extension (SEP-2663), on raw `node:http`: no official package that offers it is
 * installed.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { z } from 'zod';
import { listenOnLoopback } from '#kit/listen.ts';
import { elicitation, type Form, jobs, ProtocolFault, toolOf } from './jobs.ts';
import type { TaskServer } from './task-server.ts';

const EXTENSION = 'io.modelcontextprotocol/tasks';

const request = z.object({
  id: z.union([z.string(), z.number()]),
  method: z.string(),
  params: z.looseObject({
    name: z.string().optional(),
    arguments: z.record(z.string(), z.unknown()).optional(),
    taskId: z.string().optional(),
    inputResponses: z
      .record(z.string(), z.looseObject({ content: z.record(z.string(), z.unknown()).optional() }))
      .optional(),
    _meta: z.looseObject({
      'io.modelcontextprotocol/clientCapabilities': z.looseObject({
        extensions: z.record(z.string(), z.unknown()).optional(),
      }),
    }),
  }),
});
type Request = z.infer<typeof request>;
type Content = Readonly<Record<string, unknown>>;

class Refusal extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

class Task {
  readonly id = randomUUID();
  readonly createdAt = new Date().toISOString();
  readonly abort = new AbortController();
  readonly asked = new Map<string, { readonly form: Form; readonly resolve: (content: Content) => void }>();
  status = 'working';
  end: Content = {};

  facts(): Content {
    const { id: taskId, createdAt } = this;
    const times = { createdAt, lastUpdatedAt: createdAt, ttlMs: 300_000, pollIntervalMs: 100 };
    return { taskId, status: this.asked.size > 0 ? 'input_required' : this.status, ...times };
  }
}

export async function startModernTaskServer(): Promise<TaskServer> {
  const tasks = new Map<string, Task>();
  const runs: string[] = [];

  function start(name: string, args: Content): Task {
    const task = new Task();
    tasks.set(task.id, task);
    let count = 0;
    const ask = (form: Form) =>
      new Promise<Content>((resolve) => task.asked.set(`question-${++count}`, { form, resolve }));
    const finish = (status: string, end: Content) => {
      if (task.status !== 'working') return;
      Object.assign(task, { status, end });
    };
    void jobs[name]?.run({ args, ask, signal: task.abort.signal }).then(
      ({ text, isError = false }) =>
        finish('completed', { result: { content: [{ type: 'text', text }], isError, resultType: 'complete' } }),
      (error) => finish('failed', { error: { code: -32603, message: String(error) } }),
    );
    return task;
  }

  async function call({ params }: Request): Promise<Content> {
    const { name = '', arguments: args = {}, inputResponses = {}, _meta } = params;
    const job = jobs[name];
    if (!job) throw new Refusal(-32602, `Tool ${name} not found`);
    const knowsTasks = _meta['io.modelcontextprotocol/clientCapabilities'].extensions?.[EXTENSION] !== undefined;
    if (job.support === 'required' && !knowsTasks) throw missing();
    const first = inputResponses.first?.content;
    if (job.first && !first)
      return { resultType: 'input_required', inputRequests: { first: questionOf(job.first) }, requestState: 'round-1' };
    runs.push(name);
    if (job.support !== 'forbidden' && knowsTasks)
      return { ...start(name, { ...args, ...first }).facts(), resultType: 'task' };
    const ask = () => Promise.reject(new ProtocolFault('not in a task'));
    const { text, isError = false } = await job.run({ args, ask, signal: AbortSignal.timeout(60_000) });
    return { resultType: 'complete', content: [{ type: 'text', text }], isError };
  }

  function find({ taskId = '', _meta }: Request['params']): Task {
    if (_meta['io.modelcontextprotocol/clientCapabilities'].extensions?.[EXTENSION] === undefined) throw missing();
    const task = tasks.get(taskId);
    if (!task) throw new Refusal(-32602, 'Unknown task');
    return task;
  }

  async function answer(asked: Request): Promise<Content> {
    const { method, params } = asked;
    if (method === 'server/discover') return hello;
    if (method === 'tools/list') return { ...complete, tools: Object.keys(jobs).sort().map(toolOf), ...fresh };
    if (method === 'tools/call') return call(asked);
    if (!['tasks/get', 'tasks/update', 'tasks/cancel'].includes(method)) throw new Refusal(-32601, 'Method not found');
    const task = find(params);
    if (method === 'tasks/get') {
      const open = [...task.asked].map(([key, { form }]) => [key, questionOf(form)]);
      const inputRequests = open.length > 0 ? { inputRequests: Object.fromEntries(open) } : {};
      return { ...complete, ...task.facts(), ...task.end, ...inputRequests };
    }
    if (method === 'tasks/cancel' && task.status === 'working') {
      task.status = 'cancelled';
      task.asked.clear();
      task.abort.abort();
    }
    for (const [key, { content = {} }] of Object.entries(params.inputResponses ?? {})) {
      task.asked.get(key)?.resolve(content);
      task.asked.delete(key);
    }
    return complete;
  }

  const server = createServer((req, res) => {
    const refuse = (status: number, id: unknown, { code, message, data }: Refusal) => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(
        JSON.stringify({ jsonrpc: '2.0', id, error: { code, message, ...(data === undefined ? {} : { data }) } }),
      );
    };
    read(req)
      .then(async (body) => {
        const parsed = request.safeParse(body);
        if (!parsed.success) return refuse(400, null, new Refusal(-32602, 'Not of this revision'));
        const { id } = parsed.data;
        try {
          const result = await answer(parsed.data);
          res.writeHead(200, { 'content-type': 'application/json' });
          res.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
        } catch (error) {
          if (!(error instanceof Refusal)) return refuse(200, id, new Refusal(-32603, String(error)));
          refuse(error.code === -32601 ? 404 : error.code === -32021 ? 400 : 200, id, error);
        }
      })
      .catch(() => res.destroy());
  });
  const { port, close } = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    runs,
    async close() {
      for (const { abort } of tasks.values()) abort.abort();
      await close();
    },
  };
}

const complete = { resultType: 'complete' };
const fresh = { ttlMs: 1000, cacheScope: 'public' };
const hello = {
  ...complete,
  supportedVersions: ['2026-07-28'],
  capabilities: { tools: {}, extensions: { [EXTENSION]: {} } },
  ...fresh,
};

const questionOf = (form: Form) => ({ method: 'elicitation/create', params: elicitation(form) });

const missing = () =>
  new Refusal(-32021, 'Missing required client capability', {
    requiredCapabilities: { extensions: { [EXTENSION]: {} } },
  });

async function read(req: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}
