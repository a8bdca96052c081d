/** The matrix's content behind the official SDK 2.x: revision 2026-07-28, questions as `input_required`. */
import { ProtocolError, Server, type ServerContext } from '@modelcontextprotocol/server';
import { isJsonObject, type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import {
  capabilities,
  complete,
  getPrompt,
  instructions,
  NOT_FOUND,
  prompts,
  readResource,
  resources,
  templates,
} from './documents.ts';
import { definitions, pageOf, type Question, Refusal, type State, type Turn, tools } from './fixture.ts';

/** One per request, as the SDK wants it; `state` is the server's. */
export function createModernServer(state: State): Server {
  const server = new Server({ name: 'matrix-modern', version: '1' }, { capabilities, instructions });
  const handle = (method: string, work: (params: JsonObject, ctx: ServerContext) => JsonObject | Promise<JsonObject>) =>
    server.setRequestHandler(method as 'tools/call', async (request, ctx) => {
      try {
        return (await work((request.params ?? {}) as unknown as JsonObject, ctx)) as never;
      } catch (thrown) {
        if (!(thrown instanceof Refusal)) throw thrown;
        throw new ProtocolError(thrown.code === NOT_FOUND ? -32602 : thrown.code, thrown.message, thrown.data);
      }
    });
  handle('tools/list', ({ cursor }) => pageOf(definitions, cursor, 'tools'));
  handle('resources/list', ({ cursor }) => pageOf(resources, cursor, 'resources'));
  handle('resources/templates/list', ({ cursor }) => pageOf(templates, cursor, 'resourceTemplates'));
  handle('prompts/list', ({ cursor }) => pageOf(prompts, cursor, 'prompts'));
  handle('resources/read', ({ uri }) => readResource(String(uri)));
  handle('prompts/get', getPrompt);
  handle('completion/complete', complete);
  handle('tools/call', (params, ctx) => callTool(params, ctx, state));
  return server;
}

function turnOf(args: JsonObject, { mcpReq }: ServerContext, state: State): Turn {
  const progressToken = mcpReq._meta?.progressToken;
  return {
    args,
    signal: mcpReq.signal,
    requestId: mcpReq.id,
    state,
    async progress(progress, total, message) {
      if (progressToken === undefined) return;
      await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total, message } });
    },
    log: (level, data) => mcpReq.log(level as 'info', data),
  };
}

async function callTool(params: JsonObject, ctx: ServerContext, state: State): Promise<JsonObject> {
  const tool = tools[String(params.name)];
  if (!tool) throw new Refusal(-32602, `Unknown tool: ${String(params.name)}`);
  const turn = turnOf(objectIn(params, 'arguments') ?? {}, ctx, state);
  const given = ctx.mcpReq.requestState<string>();
  const memory = given === undefined ? { round: 0, answers: {} } : parseJsonObject(given);
  if (given === undefined) tool.before?.(turn);
  const answers: Record<string, JsonObject> = { ...(memory.answers as Record<string, JsonObject>) };
  for (const [key, answer] of Object.entries(ctx.mcpReq.inputResponses ?? {}))
    if (isJsonObject(answer)) answers[key] = answer;
  const rounds = tool.rounds ?? [];
  const round = rounds.findIndex((questions) => Object.keys(questions).some((key) => !answers[key]));
  const open = rounds[round];
  if (!open) return tool.run(turn, answers);
  return {
    resultType: 'input_required',
    inputRequests: Object.fromEntries(
      Object.entries(open).flatMap(([key, question]) => (answers[key] ? [] : [[key, inputRequest(question)]])),
    ),
    requestState: JSON.stringify({ round, answers }),
  };
}

/** The modern revision has no ids of elicitations. */
function inputRequest({ method, params }: Question): JsonObject {
  if (method === 'roots/list') return { method };
  const { elicitationId: _none, ...rest } = params;
  return {
    method,
    params: params.mode === undefined && method === 'elicitation/create' ? { mode: 'form', ...rest } : rest,
  };
}
