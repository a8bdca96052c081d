/** The matrix's content behind the official SDK 1.x: every revision before 2026-07-28. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  ResultSchema,
  type ServerNotification,
  type ServerRequest,
  type ServerResult,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { isLogged } from '#mcp/bridge/notifications.ts';
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
import {
  type Answers,
  definitions,
  pageOf,
  Refusal,
  type State,
  type ToolScript,
  type Turn,
  text,
  tools,
  watched,
} from './fixture.ts';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** One per session, as the SDK wants it; `state` is the server's. */
export function createLegacyServer(state: State): Server {
  const server = new Server({ name: 'matrix-legacy', version: '1' }, { capabilities, instructions });
  let level: string | undefined;
  const plain = (value: JsonObject): ServerResult => value as ServerResult;
  server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
    level = params.level;
    return {};
  });
  const subscribed = new Set<string>();
  const announce = () => {
    // A session that has ended hears nothing.
    server.sendToolListChanged().catch(() => state.announcers.delete(announce));
    if (subscribed.has(watched)) server.sendResourceUpdated({ uri: watched }).catch(() => undefined);
  };
  state.announcers.add(announce);
  server.onclose = () => state.announcers.delete(announce);
  server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    subscribed.add(params.uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });
  server.setRequestHandler(ListToolsRequestSchema, ({ params }) => plain(pageOf(definitions, params?.cursor, 'tools')));
  server.setRequestHandler(ListResourcesRequestSchema, ({ params }) =>
    plain(pageOf(resources, params?.cursor, 'resources')),
  );
  server.setRequestHandler(ListResourceTemplatesRequestSchema, ({ params }) =>
    plain(pageOf(templates, params?.cursor, 'resourceTemplates')),
  );
  server.setRequestHandler(ListPromptsRequestSchema, ({ params }) => plain(pageOf(prompts, params?.cursor, 'prompts')));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => refusing(() => readResource(params.uri)));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => refusing(() => getPrompt(params as JsonObject)));
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => plain(complete(params as unknown as JsonObject)));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
    const turn = turnOf(params.arguments ?? {}, extra, {
      state,
      wants: (wanted) => isLogged(wanted, level ?? 'debug'),
    });
    return refusing(() => callTool(params.name, turn, extra));
  });
  return server;
}

async function refusing(work: () => JsonObject | Promise<JsonObject>): Promise<ServerResult> {
  try {
    return (await work()) as ServerResult;
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    const { code, message, data } = thrown;
    // Its constructor puts the code in front of the message.
    const error = new McpError(code === NOT_FOUND ? -32002 : code, message, data);
    throw Object.assign(error, { message });
  }
}

function turnOf(
  args: object,
  extra: Extra,
  { state, wants }: { readonly state: State; readonly wants: (level: string) => boolean },
): Turn {
  const progressToken = extra._meta?.progressToken;
  return {
    args: args as JsonObject,
    signal: extra.signal,
    requestId: extra.requestId,
    state,
    async progress(progress, total, message) {
      if (progressToken === undefined) return;
      await extra.sendNotification({
        method: 'notifications/progress',
        params: { progressToken, progress, total, message },
      });
    },
    async log(level, data) {
      if (!wants(level)) return;
      await extra.sendNotification({ method: 'notifications/message', params: { level, data } as never });
    },
  };
}

async function callTool(name: string, turn: Turn, extra: Extra): Promise<JsonObject> {
  const tool = tools[name];
  if (!tool) throw new Refusal(-32602, `Unknown tool: ${name}`);
  tool.before?.(turn);
  const answers = await askRounds(tool, extra);
  return 'refused' in answers
    ? { ...text(`cannot ask: ${answers.refused}`), isError: true }
    : tool.run(turn, answers.all);
}

async function askRounds(
  { rounds = [] }: ToolScript,
  extra: Extra,
): Promise<{ readonly all: Answers } | { readonly refused: string }> {
  const all: Record<string, JsonObject> = {};
  try {
    for (const round of rounds) {
      const asking = Object.entries(round).map(async ([key, question]) => {
        const answer = await extra.sendRequest(question as unknown as ServerRequest, ResultSchema);
        all[key] = isJsonObject(answer) ? answer : {};
      });
      await Promise.all(asking);
    }
    return { all };
  } catch (thrown) {
    return { refused: thrown instanceof McpError ? String(thrown.code) : String(thrown) };
  }
}
