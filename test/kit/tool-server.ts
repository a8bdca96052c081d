/** A server of tools in one era, in raw HTTP: its list can be changed at any time, and it keeps what it was called with. */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '#core/json.ts';
import {
  event,
  json,
  openSse,
  type RecordedRequest,
  type RecordingUpstream,
  result,
  startRecordingUpstream,
} from './recording-upstream.ts';

export interface ToolCall {
  readonly name: string;
  readonly arguments: unknown;
}

export interface ToolTurn extends ToolCall {
  /** Of the modern era: what the client answered. */
  readonly inputResponses: unknown;
  /** A log message while the call runs. */
  readonly log: (data: unknown) => void;
  /** Of the legacy era: asks on the stream of the call. The client's result. */
  readonly ask: (params: JsonObject) => Promise<unknown>;
}

export interface ToolServer {
  readonly url: string;
  tools: readonly object[];
  /** A result, or a JSON-RPC error. */
  run: (turn: ToolTurn) => object | Promise<object>;
  /** That were executed, in their order. */
  readonly calls: ToolCall[];
  readonly upstream: RecordingUpstream;
  close(): Promise<void>;
}

const MODERN = '2026-07-28';
const about = { 'io.modelcontextprotocol/serverInfo': { name: 'tools', version: '1' } };

export async function startToolServer({ era }: { readonly era: 'legacy' | 'modern' }): Promise<ToolServer> {
  const upstream = await startRecordingUpstream();
  const server: ToolServer = {
    url: `${upstream.url}/mcp`,
    tools: [],
    run: ({ arguments: args }) => ({ content: [{ type: 'text', text: JSON.stringify(args) }] }),
    calls: [],
    upstream,
    close: () => upstream.close(),
  };
  upstream.script((request, res) => {
    if (request.method !== 'POST') return void res.writeHead(405).end();
    if (request.rpc.id === undefined || request.rpc.method === undefined) return void res.writeHead(202).end();
    const isModern = request.headers['mcp-protocol-version'] === MODERN;
    if (isModern !== (era === 'modern')) return refuseEra(request, res, era);
    return isModern ? serveModern(server, request, res) : serveLegacy(server, request, res);
  });
  return server;
}

function refuseEra(request: RecordedRequest, res: ServerResponse, era: 'legacy' | 'modern') {
  const unsupported = { code: -32022, message: 'Unsupported protocol version', data: { supported: [MODERN] } };
  const error = era === 'modern' ? unsupported : { code: -32000, message: 'Bad Request: unsupported version' };
  return json({ jsonrpc: '2.0', id: era === 'modern' ? request.rpc.id : null, error }, 400)(request, res);
}

async function serveModern(server: ToolServer, request: RecordedRequest, res: ServerResponse): Promise<void> {
  const common = { resultType: 'complete', _meta: about };
  switch (request.rpc.method) {
    case 'server/discover':
      return result({ ...common, supportedVersions: [MODERN], capabilities: { tools: {}, logging: {} }, ...cache })(
        request,
        res,
      );
    case 'tools/list':
      return result({ ...common, tools: server.tools, ...cache })(request, res);
    case 'tools/call':
      return call(server, request, { res, common });
    default:
      return result(common)(request, res);
  }
}
const cache = { ttlMs: 0, cacheScope: 'private' };

async function serveLegacy(server: ToolServer, request: RecordedRequest, res: ServerResponse): Promise<void> {
  switch (request.rpc.method) {
    case 'initialize':
      return result({
        protocolVersion: request.rpc.params?.protocolVersion,
        capabilities: { tools: {}, logging: {} },
        serverInfo: { name: 'tools', version: '1' },
      })(request, res);
    case 'tools/list':
      return result({ tools: server.tools })(request, res);
    case 'tools/call':
      return call(server, request, { res, common: {} });
    default:
      return result({})(request, res);
  }
}

async function call(
  server: ToolServer,
  request: RecordedRequest,
  { res, common }: { readonly res: ServerResponse; readonly common: object },
): Promise<void> {
  const { params = {}, id } = request.rpc;
  const named = { name: String(params.name), arguments: params.arguments };
  openSse(res);
  const said = await server.run({
    ...named,
    inputResponses: params.inputResponses,
    log: (data) =>
      res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data } })),
    async ask(question) {
      const asked = `ask-${String(id)}-${Math.random()}`;
      res.write(event({ jsonrpc: '2.0', id: asked, method: 'elicitation/create', params: question }));
      for (let tries = 0; tries < 500; tries++) {
        const answer = server.upstream.requests.find(({ rpc }) => rpc.id === asked && rpc.method === undefined);
        if (answer) return answer.rpc.result;
        await sleep(10);
      }
      throw new Error('nobody answered');
    },
  });
  if (!('resultType' in said) || said.resultType === 'complete') server.calls.push(named);
  res.end(event({ jsonrpc: '2.0', id, ...('error' in said ? said : { result: { ...common, ...said } }) }));
}
