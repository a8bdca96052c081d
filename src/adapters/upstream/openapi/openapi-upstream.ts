/** A REST API as an upstream MCP server. The document is read when it is first needed, and once for each digest. */
import { LRUCache } from 'lru-cache';
import type { Pool } from 'undici';
import { Answer, readAccept } from '#adapters/upstream/message-stream/answer.ts';
import { parseLine } from '#adapters/upstream/message-stream/line.ts';
import { exchangeOf, local } from '#adapters/upstream/message-stream/local-answers.ts';
import { parseTarget } from '#adapters/upstream/target.ts';
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import type { OpenApiTransport, ServerTransport } from '#core/transport.ts';
import { answerLocally, checkVersion, RpcProblem, readCall } from './local-server.ts';
import type { Api, Operation } from './plan.ts';
import { openRestClient, type RestClient, type RestSending } from './rest-client.ts';
import { problemResult } from './result.ts';
import { type Asked, finish, finishTool, finishWith, requestFor, takeAnswer } from './tool-call.ts';

export interface OpenApiUpstreamOptions {
  /** The server's key: said where its credential is refused. */
  readonly server: string;
  readonly transport: OpenApiTransport & Pick<ServerTransport, 'protocolVersion'>;
  /** The compiled document. Rejects where it is missing or can't be read. */
  readonly findApi: () => Promise<Api>;
  /** Reads a tool's input schema, once: the result says what is wrong with arguments; empty: nothing. */
  readonly readSchema: (schema: JsonObject) => CheckArguments;
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

type CheckArguments = (args: unknown) => readonly string[];

interface Ready {
  readonly operation: Operation;
  readonly check: CheckArguments;
}

/** Operations that are called again and again; of others the plan is read again. */
const MAX_READY = 500;

interface Opened {
  readonly api: Api;
  readonly ready: LRUCache<string, Ready>;
  readonly client: RestClient;
  /** Path of the server, without a slash at its end. */
  basePath(partition: string | undefined): string;
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
      ready: new LRUCache({ max: MAX_READY }),
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
    const { operation, check } = this.#ready(opened, name);
    const problems = check(args);
    if (problems.length > 0) {
      finishTool(asked, problemResult(`The arguments are wrong:\n${problems.map((one) => `- ${one}`).join('\n')}`));
      return undefined;
    }
    const request = requestFor({ call, operation, args, basePath: opened.basePath(call.partition) });
    return opened.client.send(request, call.timeouts, {
      done: (answer) => takeAnswer(asked, { server: this.#options.server, operation, answer }),
      fail: (error) => asked.answer.fail(error),
    });
  }

  /** Throws RpcProblem. */
  #ready({ api, ready }: Opened, name: string): Ready {
    const known = ready.get(name);
    if (known) return known;
    const tool = api.tools.get(name);
    if (!tool) throw new RpcProblem(-32602, 'Unknown tool', { status: 400 });
    const operation: Operation = JSON.parse(tool.plan);
    const made = { operation, check: this.#options.readSchema(operation.inputSchema) };
    ready.set(name, made);
    return made;
  }
}
