/** A REST API as an upstream MCP server. The document is read when it is first needed, and once for each digest. */
import type { Pool } from 'undici';
import { Answer, readAccept } from '#adapters/upstream/message-stream/answer.ts';
import { errorLine, type Line, parseLine } from '#adapters/upstream/message-stream/line.ts';
import { exchangeOf, idOf, local } from '#adapters/upstream/message-stream/local-answers.ts';
import { parseTarget } from '#adapters/upstream/target.ts';
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import type { OpenApiTransport, ServerTransport } from '#core/transport.ts';
import { answerLocally, checkVersion, RpcProblem, readCall } from './local-server.ts';
import type { Api, Operation } from './plan.ts';
import { ArgumentProblem } from './problem.ts';
import { buildRequest, type RestRequest } from './request.ts';
import { openRestClient, type RestAnswer, type RestClient, type RestSending } from './rest-client.ts';
import { problemResult, resultOf } from './result.ts';

export interface OpenApiUpstreamOptions {
  readonly transport: OpenApiTransport & Pick<ServerTransport, 'protocolVersion'>;
  /** The compiled document. Rejects where it is missing or can't be read. */
  readonly findApi: () => Promise<Api>;
  /** What is wrong with the arguments by the tool's input schema; empty: nothing. */
  readonly checkArguments: (schema: JsonObject | undefined, args: unknown) => readonly string[];
  readonly connections: number;
  readonly queue: number;
  readonly connect?: Pool.Options['connect'];
  readonly connectTimeoutMs: number;
  /** Default 2 MiB: its text goes out twice, as text and as structure. */
  readonly maxAnswerBytes?: number;
}

export function openOpenApiUpstream(options: OpenApiUpstreamOptions): Upstream {
  return new OpenApiUpstream(options);
}

interface Opened {
  readonly api: Api;
  readonly client: RestClient;
  /** Path of the server, without a slash at its end. */
  basePath(partition: string | undefined): string;
}

interface Asked {
  readonly call: UpstreamCall;
  readonly line: Line;
  readonly answer: Answer;
}

class OpenApiUpstream implements Upstream {
  readonly #options: OpenApiUpstreamOptions;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closed = false;

  constructor(options: OpenApiUpstreamOptions) {
    this.#options = options;
  }

  start(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange {
    const answer = new Answer(sink, readAccept(call.headers.accept));
    try {
      if (this.#closed) throw new GatehouseError('shutting_down');
      // No sessions and nothing to say unasked.
      if (call.method !== 'POST') return local(answer, () => answer.bare(405));
      const line = parseLine(call.body ?? Buffer.alloc(0));
      if (line.kind !== 'request') return local(answer, () => answer.bare(202));
      return this.#startRequest({ call, line, answer });
    } catch (thrown) {
      return local(answer, () => answer.fail(asGatehouseError(thrown)));
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opened?.client.close();
  }

  #startRequest(asked: Asked): UpstreamExchange {
    const { answer } = asked;
    const work: { sending: RestSending | undefined } = { sending: undefined };
    let isGone = false;
    const run = (opened: Opened) => {
      if (isGone) return;
      try {
        work.sending = this.#answer(opened, asked);
      } catch (thrown) {
        finishWith(asked, thrown);
      }
    };
    if (this.#opened) {
      const opened = this.#opened;
      queueMicrotask(() => run(opened));
    } else this.#open().then(run, (thrown) => answer.fail(asGatehouseError(thrown)));
    const exchange = exchangeOf(answer);
    return {
      get sent() {
        return work.sending?.sent ?? false;
      },
      abort() {
        isGone = true;
        work.sending?.abort();
        exchange.abort();
      },
      resume: () => exchange.resume(),
    };
  }

  /** Coalesced; a failure is forgotten, so that the next call tries anew. */
  #open(): Promise<Opened> {
    this.#opening ??= this.#openOnce().catch((thrown: unknown) => {
      this.#opening = undefined;
      throw thrown;
    });
    return this.#opening;
  }

  async #openOnce(): Promise<Opened> {
    const { transport, findApi, maxAnswerBytes = 2 * 1024 * 1024, ...client } = this.#options;
    const api = await findApi();
    const url = transport.url ?? api.url;
    if (url === undefined) {
      throw new GatehouseError('upstream_unreachable', {
        cause: new Error('neither the document nor the server names a URL'),
      });
    }
    const target = parseTarget(url);
    const opened: Opened = {
      api,
      client: openRestClient(target.origin, { ...client, maxAnswerBytes }),
      basePath: (partition) => (target.path(partition).split('?')[0] ?? '').replace(/\/+$/, ''),
    };
    if (this.#closed) await opened.client.close();
    this.#opened = opened;
    return opened;
  }

  #answer(opened: Opened, asked: Asked): RestSending | undefined {
    const { call, line } = asked;
    const { method = '' } = line;
    const params = objectIn(parseJsonObject(line.bytes.toString('utf8')), 'params') ?? {};
    if (method === 'tools/call') {
      if (call.era === 'modern') checkVersion(params);
      return this.#callTool(opened, asked, params);
    }
    const pinned = this.#options.transport.protocolVersion;
    finish(asked, answerLocally(opened.api, { method, params, era: call.era, pinned }));
    return undefined;
  }

  #callTool(opened: Opened, asked: Asked, params: JsonObject): RestSending | undefined {
    const { call } = asked;
    const { name, args } = readCall(params);
    const operation = opened.api.operations.get(name);
    if (!operation) throw new RpcProblem(-32602, 'Unknown tool', { status: 400 });
    const problems = this.#options.checkArguments(objectIn(operation.definition, 'inputSchema'), args);
    if (problems.length > 0) {
      finishTool(asked, problemResult(`The arguments are wrong:\n${problems.map((one) => `- ${one}`).join('\n')}`));
      return undefined;
    }
    const request = requestFor(opened, { call, operation, args });
    return opened.client.send(request, call.timeouts, {
      done: (answer) => takeAnswer(asked, operation, answer),
      fail: (error) => asked.answer.fail(error),
    });
  }
}

/** Of what the gateway sends to an MCP server, what an API may have as well. */
const passedOn =
  /^(x-user-(id|email|name|groups|admin)|x-gateway-validated|x-organization-id|x-request-id|traceparent)$/;

interface Requesting {
  readonly call: UpstreamCall;
  readonly operation: Operation;
  readonly args: JsonObject;
}

function requestFor(opened: Opened, { call, operation, args }: Requesting): RestRequest {
  const { credential } = call;
  const secret = credential?.reveal();
  const given = Object.entries(call.headers);
  const own = given.filter(([name]) => passedOn.test(name));
  return buildRequest({
    operation,
    args,
    basePath: opened.basePath(call.partition),
    headers: { ...Object.fromEntries(own), 'user-agent': 'gatehouse', 'accept-encoding': 'identity' },
    credential,
    bindingHeader: secret === undefined ? undefined : given.find(([, value]) => value.includes(secret)),
  });
}

function takeAnswer(asked: Asked, operation: Operation, answer: RestAnswer): void {
  const { call } = asked;
  // As any server's word on the credential: the gateway renews one that can be renewed.
  if (answer.status === 401 && call.credential && operation.auth.kind !== 'none') {
    asked.answer.finish(errorLine(idOf(asked.line), -32603, 'The API refused the credential'), 401);
    return;
  }
  finishTool(asked, resultOf(answer, operation, call.credential));
}

function finishTool(asked: Asked, result: JsonObject): void {
  finish(asked, asked.call.era === 'modern' ? { resultType: 'complete', ...result } : result);
}

function finish({ line, answer }: Asked, result: JsonObject): void {
  const id = idOf(line).toString();
  answer.finish(Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`));
}

function finishWith(asked: Asked, thrown: unknown): void {
  if (thrown instanceof ArgumentProblem)
    finishTool(asked, problemResult(`The arguments are wrong:\n- ${thrown.message}`));
  else if (thrown instanceof RpcProblem) {
    const { code, message, status, data } = thrown;
    const shown = asked.call.era === 'modern' ? status : 200;
    asked.answer.finish(errorLine(idOf(asked.line), code, message, data), shown);
  } else asked.answer.fail(asGatehouseError(thrown));
}
