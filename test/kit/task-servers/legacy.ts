/** A server of 2025-11-25 with tasks: the official SDK's, its store and its queue of messages. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  ElicitResultSchema,
  ErrorCode,
  ListToolsRequestSchema,
  McpError,
} from '@modelcontextprotocol/sdk/types.js';
import { listenOnLoopback } from '#kit/listen.ts';
import { elicitation, type Form, type Job, jobs, toolOf } from './jobs.ts';
import type { TaskServer } from './task-server.ts';

type Content = Readonly<Record<string, unknown>>;

export async function startLegacyTaskServer(): Promise<TaskServer> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const runs: string[] = [];

  async function openSession(): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await openServer((name) => runs.push(name)).connect(transport);
    return transport;
  }

  const server = createServer((req: IncomingMessage, res: ServerResponse) => {
    const id = req.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id) : undefined;
    if (typeof id === 'string' && !known) {
      res.writeHead(404, { 'content-type': 'application/json' });
      res.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
      return;
    }
    Promise.resolve(known ?? openSession())
      .then((transport) => transport.handleRequest(req, res))
      .catch(() => res.destroy());
  });
  const { port, close } = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    runs,
    async close() {
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
      await close();
    },
  };
}

function openServer(ran: (name: string) => void): Server {
  const store = new InMemoryTaskStore();
  const server = new Server(
    { name: 'legacy-tasks', version: '1' },
    {
      capabilities: { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
      taskStore: store,
      taskMessageQueue: new InMemoryTaskMessageQueue(),
    },
  );
  const closing = new AbortController();
  server.onclose = () => {
    closing.abort();
    store.cleanup();
  };

  async function work(taskId: string, job: Job, args: Content): Promise<void> {
    let open = 0;
    const ask = async (form: Form): Promise<Content> => {
      open++;
      await store.updateTaskStatus(taskId, 'input_required');
      const request = { method: 'elicitation/create' as const, params: elicitation(form) };
      const { content } = await server.request(request, ElicitResultSchema, { relatedTask: { taskId } });
      if (--open === 0) await store.updateTaskStatus(taskId, 'working');
      return content ?? {};
    };
    const isOver = async () => ((await store.getTask(taskId))?.status ?? 'cancelled') === 'cancelled';
    try {
      const { text, isError = false } = await job.run({ args, ask, signal: closing.signal });
      const content = [{ type: 'text', text }];
      if (!(await isOver()))
        await store.storeTaskResult(taskId, isError ? 'failed' : 'completed', { content, isError });
    } catch (error) {
      if (!(await isOver())) await store.updateTaskStatus(taskId, 'failed', String(error));
    }
  }

  server.setRequestHandler(ListToolsRequestSchema, async () => ({
    tools: Object.entries(jobs).map(([name, { support }]) => ({
      ...toolOf(name),
      execution: { taskSupport: support },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const { name, arguments: args = {}, task: asked } = params;
    const job = jobs[name];
    if (!job) throw new McpError(ErrorCode.InvalidParams, `Tool ${name} not found`);
    if (job.support === 'required' && !asked)
      throw new McpError(ErrorCode.MethodNotFound, `Tool ${name} requires task augmentation`);
    ran(name);
    if (!asked || !extra.taskStore) {
      const ask = () => Promise.reject(new Error('not in a task'));
      const { text, isError = false } = await job.run({ args, ask, signal: extra.signal });
      return { content: [{ type: 'text', text }], isError };
    }
    const first = job.first && (await extra.sendRequest(questionOf(job.first), ElicitResultSchema));
    const task = await extra.taskStore.createTask({ ttl: asked.ttl ?? 300_000, pollInterval: 100 });
    void work(task.taskId, job, { ...args, ...first?.content });
    return { task };
  });
  return server;
}

const questionOf = (form: Form) => ({ method: 'elicitation/create' as const, params: elicitation(form) });
