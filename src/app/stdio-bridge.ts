/**
 * One stdio server over streamable HTTP, without a gateway around it (REQUIREMENTS S1.31): a child of its own for each
 * session. The defects of such bridges (X1.5) are those of the adapter's rules: environment from an allow-list, stderr
 * drained, ids and notifications kept apart, questions of the server carried to its client.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { openStdioUpstream } from '#adapters/upstream/index.ts';
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { checkOrigin, isLocalName } from '#gateway/receive.ts';
import { rpcErrorBody } from '#gateway/render.ts';
import { readBody } from '#http/body.ts';
import { type RequestHeaders, readHeaders } from '#http/headers.ts';
import { openListener } from '#http/server.ts';
import { classifyMessage } from '#mcp/classify.ts';
import { type Message, parseMessage } from '#mcp/message.ts';
import { openRunner } from '#runner/runner.ts';
import { answerOf } from './bridge-answer.ts';
import { type BridgeSession, type BridgeSessions, openBridgeSessions } from './bridge-sessions.ts';

export interface StdioBridgeOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  readonly command: string;
  readonly args: readonly string[];
  /** What the child gets beside what every program gets. */
  readonly env: Readonly<Record<string, string>>;
  /** A session without a request ends after this long. */
  readonly idleMs: number;
  /** Of one request; default 30 s. */
  readonly requestMs?: number;
  readonly sweepMs?: number;
  readonly maxSessions?: number;
  /** Whoever calls must bring it. Undefined: only this machine is served. */
  readonly token: Secret | undefined;
}

export interface StdioBridgeDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** This process's environment, of which an allow-list passes. */
  readonly env: NodeJS.ProcessEnv;
}

export interface StdioBridge {
  readonly url: string;
  readonly sessions: number;
  close(): Promise<void>;
}

const REQUEST_MS = 30_000;
const SWEEP_MS = 60_000;
const MAX_SESSIONS = 100;
const MAX_BODY_BYTES = 4 * 1024 * 1024;
const org = asOrgId('00000000-0000-0000-0000-000000000000');

interface Bridge {
  readonly options: StdioBridgeOptions;
  readonly upstream: Upstream;
  readonly sessions: BridgeSessions;
}

/** Throws GatehouseError `setting` where it cannot listen, or would listen to others without a token. */
export async function openStdioBridge(options: StdioBridgeOptions, deps: StdioBridgeDeps): Promise<StdioBridge> {
  const { clock, log } = deps;
  if (options.token === undefined && !isLocalName(hostName(options.host)))
    throw new GatehouseError('setting', {
      message: `On ${options.host} others could reach it: give --token, or listen on 127.0.0.1`,
    });
  const maxSessions = options.maxSessions ?? MAX_SESSIONS;
  const runner = openRunner({ clock, log, env: deps.env, limits: { maxChildrenPerOwner: maxSessions + 1 } });
  const upstream = openStdioUpstream(targetOf(options), {
    ...{ clock, log, runner },
    // Sessions end here, and their children with them.
    options: { idleMs: Number.MAX_SAFE_INTEGER, maxLifeMs: Number.MAX_SAFE_INTEGER },
  });
  const sessions = openBridgeSessions({
    ...{ clock, upstream, org, maxSessions, idleMs: options.idleMs },
    sweepMs: options.sweepMs ?? SWEEP_MS,
  });
  const bridge = { options, upstream, sessions };
  const listener = await openListener(listening(options), (req, res) => handle(bridge, req, res, log)).catch(
    async (thrown: unknown) => {
      sessions.close();
      await runner.close();
      throw thrown;
    },
  );
  return {
    url: `http://${hostName(options.host)}:${listener.port}/mcp`,
    get sessions() {
      return sessions.size;
    },
    async close() {
      sessions.close();
      await listener.close(0);
      await upstream.close();
      await runner.close();
    },
  };
}

const hostName = (host: string): string => (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host);

const listening = ({ host, port }: StdioBridgeOptions) => ({
  ...{ host, port, portSetting: '--port', hostSetting: '--host', maxHeaderBytes: 16_384, maxConnections: 1000 },
  ...{ headersTimeoutMs: 10_000, requestTimeoutMs: 30_000, keepAliveTimeoutMs: 5000 },
});

const targetOf = ({ command, args, env }: StdioBridgeOptions) => ({
  ...{ id: asServerId('bridge'), key: 'bridge', org: undefined },
  transport: { kind: 'stdio', command, args, env, state: 'stateful' } as const,
});

function handle(bridge: Bridge, req: IncomingMessage, res: ServerResponse, log: Log): void {
  const fail = (thrown: unknown, message?: Message) => refuse(res, asGatehouseError(thrown), message, log);
  try {
    const headers = admit(bridge.options, req);
    if (req.method !== 'POST') {
      startWithout(bridge, headers, { req, res });
      return;
    }
    readBody(req, MAX_BODY_BYTES, {
      fail,
      done(body) {
        let message: Message | undefined;
        try {
          message = parseMessage(body);
          startMessage(bridge, { headers, message }, res, (thrown) => fail(thrown, message));
        } catch (thrown) {
          fail(thrown, message);
        }
      },
    });
  } catch (thrown) {
    fail(thrown);
  }
}

/** Who may ask, and what for. Throws GatehouseError. */
function admit({ token, host }: StdioBridgeOptions, req: IncomingMessage): RequestHeaders {
  const headers = readHeaders(req.rawHeaders, req.httpVersion);
  const name = headers.host?.toLowerCase() ?? '';
  // A page from elsewhere has its own host in the address: no way in by DNS rebinding.
  if (token === undefined && !isLocalName(name)) throw new GatehouseError('invalid_host');
  if (headers.origin !== undefined)
    checkOrigin(headers.origin, { origins: new Set([`http://${name}`]), loopback: isLocalName(hostName(host)) });
  if (!/^\/mcp\/?(?:\?|$)/.test(req.url ?? '')) throw new GatehouseError('not_found');
  if (token !== undefined) {
    const given = /^bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (given === undefined) throw new GatehouseError('no_token');
    if (!isSame(given, token.reveal())) throw new GatehouseError('invalid_token');
  }
  if (!['POST', 'GET', 'DELETE'].includes(req.method ?? '')) throw new GatehouseError('method_not_allowed');
  if (req.method === 'POST' && !/^application\/json(?:\s*;|\s*$)/i.test(headers.contentType ?? ''))
    throw new GatehouseError('media_type');
  return headers;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const isSame = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));

/** Throws `session_required` (400) and `session_unknown` (404). */
function sessionOf({ sessions }: Bridge, { sessionId }: RequestHeaders): BridgeSession {
  if (sessionId === undefined) throw new GatehouseError('session_required');
  const session = sessions.find(sessionId);
  if (!session) throw new GatehouseError('session_unknown');
  return session;
}

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** GET: what the server says unasked. DELETE: the end of the session. */
function startWithout(bridge: Bridge, headers: RequestHeaders, { req, res }: Exchange): void {
  const session = sessionOf(bridge, headers);
  const method = req.method === 'GET' ? 'GET' : 'DELETE';
  if (method === 'DELETE') bridge.sessions.remove(session.id);
  const call = callOf({ headers, method, session, totalMs: 0 });
  run(bridge, call, { res, session, fail: () => res.destroy() });
}

interface Posted {
  readonly headers: RequestHeaders;
  readonly message: Message;
}

function startMessage(
  bridge: Bridge,
  { headers, message }: Posted,
  res: ServerResponse,
  fail: (thrown: unknown) => void,
): void {
  const totalMs = bridge.options.requestMs ?? REQUEST_MS;
  const era = classifyMessage(message, {
    protocolVersion: headers.protocolVersion,
    method: headers.mcpMethod,
    name: headers.mcpName,
  });
  const isInitialize = era === 'legacy' && message.kind === 'request' && message.method === 'initialize';
  if (isInitialize) {
    const fresh = bridge.sessions.begin();
    const call = { ...callOf({ headers, method: 'POST', session: fresh, totalMs }), sessionId: undefined };
    run(bridge, withMessage(call, message, era), { res, session: fresh, fail });
    return;
  }
  const session = era === 'modern' ? bridge.sessions.modern : sessionOf(bridge, headers);
  run(bridge, withMessage(callOf({ headers, method: 'POST', session, totalMs }), message, era), { res, session, fail });
}

const withMessage = (call: UpstreamCall, { bytes, method }: Message, era: UpstreamCall['era']): UpstreamCall => ({
  ...{ ...call, era, body: bytes, rpcMethod: method },
});

function run(
  { upstream, sessions }: Bridge,
  call: UpstreamCall,
  { res, session, fail }: { res: ServerResponse; session: BridgeSession; fail: (thrown: unknown) => void },
): void {
  const done = sessions.hold(session);
  const exchange = upstream.start(
    call,
    answerOf(res, {
      onHead: (headers) => sessions.settle(session, headers['mcp-session-id']),
      resume: () => exchange.resume(),
      done,
      fail,
    }),
  );
  res.once('close', () => {
    done();
    exchange.abort();
  });
}

function callOf({
  headers,
  method,
  session,
  totalMs,
}: {
  readonly headers: RequestHeaders;
  readonly method: UpstreamCall['method'];
  readonly session: BridgeSession;
  readonly totalMs: number;
}): UpstreamCall {
  const sent: Record<string, string> = {};
  if (headers.accept !== undefined) sent.accept = headers.accept;
  if (headers.protocolVersion !== undefined) sent['mcp-protocol-version'] = headers.protocolVersion;
  return {
    ...{ method, headers: sent, body: undefined, rpcMethod: undefined, era: 'legacy' },
    ...{ sessionId: session.id, principal: session.principal, org, credential: undefined, credentialKey: '' },
    ...{ partition: undefined, timeouts: { headersMs: 0, idleMs: 0, totalMs } },
  };
}

function refuse(res: ServerResponse, error: GatehouseError, message: Message | undefined, log: Log): void {
  log[error.row.level]({ code: error.code, err: error.cause }, error.message);
  if (res.headersSent) return void res.destroy();
  const id = message?.kind === 'request' ? message.id : undefined;
  const body = rpcErrorBody(error, id);
  const headers: Record<string, string | number> = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  };
  if (error.row.http === 401) headers['www-authenticate'] = 'Bearer';
  if (error.row.http === 405) headers.allow = 'GET, POST, DELETE';
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = error.retryAfterSeconds;
  res.writeHead(error.row.http, headers);
  res.end(body);
}
