/**
 * Sessions with servers of the legacy era: one per organization, binding, principal, credential, declared capabilities and
 * lane. They are made when needed, end after a while without use, and never change hands.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { legacyVersions } from '#mcp/versions.ts';
import type { Link, Route } from './link.ts';
import { isEraEvidence, resultOf } from './modern-peer.ts';
import type { ClientFacts } from './peer.ts';

export interface UpstreamSession {
  /** Undefined: the server keeps none. */
  readonly id: string | undefined;
  readonly version: string;
  /** The server's `initialize` result. */
  readonly hello: JsonObject;
  readonly key: string;
  readonly route: Route;
}

export interface UpstreamSessions {
  open(route: Route, client: ClientFacts, lane: string): Promise<UpstreamSession>;
  /** The server forgot it. */
  forget(session: UpstreamSession): void;
  /** Of a session of a client that has ended. */
  endLane(lane: string): void;
  close(): void;
}

export interface UpstreamSessionsDeps {
  readonly link: Link;
  readonly clock: Clock;
  readonly log: Log;
  /** Without use, then it is ended. */
  readonly idleMs: number;
  readonly max: number;
}

const INITIALIZE_MS = 10_000;
const [NEWEST = ''] = legacyVersions;

export function openUpstreamSessions(deps: UpstreamSessionsDeps): UpstreamSessions {
  const { link, log } = deps;
  const sessions = new LRUCache<string, UpstreamSession>({
    max: deps.max,
    ttl: deps.idleMs,
    updateAgeOnGet: true,
    ttlAutopurge: false,
    perf: { now: () => deps.clock.monotonic() },
    dispose: (session, _key, reason) => {
      if (reason !== 'set' && reason !== 'delete') end(session);
    },
  });
  const opening = new Map<string, Promise<UpstreamSession>>();
  const levels = new WeakMap<UpstreamSession, string>();
  const sweeper = setInterval(() => sessions.purgeStale(), 30_000).unref();

  function end(session: UpstreamSession): void {
    if (session.id === undefined) return;
    const signal = AbortSignal.timeout(INITIALIZE_MS);
    const sending = {
      method: 'DELETE',
      era: 'legacy',
      sessionId: session.id,
      headers: versionHeader(session.version),
    } as const;
    link.send(session.route, sending, { signal, onMessage: () => undefined }).catch((error) => {
      log.debug({ err: error }, 'a session upstream could not be ended');
    });
  }

  async function initialize(key: string, route: Route, client: ClientFacts): Promise<UpstreamSession> {
    const signal = AbortSignal.timeout(INITIALIZE_MS);
    let answer: JsonObject | undefined;
    const params = {
      protocolVersion: NEWEST,
      capabilities: client.capabilities,
      clientInfo: client.info ?? { name: 'gatehouse', version: '1' },
    };
    const answered = await link.send(
      route,
      { method: 'POST', era: 'legacy', message: { jsonrpc: '2.0', id: 0, method: 'initialize', params } },
      {
        signal,
        onMessage: (message) => {
          if (message.method === undefined) answer ??= message;
        },
      },
    );
    const hello = helloOf(answer, answered.status);
    const version = stringIn(hello, 'protocolVersion') ?? '';
    if (!legacyVersions.includes(version))
      throw new GatehouseError('upstream_broken', { cause: new Error(`protocol version "${version}"`) });
    const header = answered.headers['mcp-session-id'];
    const session = { id: typeof header === 'string' ? header : undefined, version, hello, key, route };
    await tell(session, { method: 'notifications/initialized' }, signal);
    sessions.set(key, session);
    return session;
  }

  /** A level belongs to the whole session: in a lane it changes, elsewhere each level has a session of its own. */
  async function setLevel(session: UpstreamSession, level: string | undefined): Promise<UpstreamSession> {
    if (level === undefined || levels.get(session) === level) return session;
    if (!objectIn(objectIn(session.hello, 'capabilities'), 'logging')) return session;
    levels.set(session, level);
    const message = { id: 'level', method: 'logging/setLevel', params: { level } };
    await tell(session, message, AbortSignal.timeout(INITIALIZE_MS));
    return session;
  }

  async function tell(session: UpstreamSession, message: JsonObject, signal: AbortSignal): Promise<void> {
    const sending = {
      method: 'POST',
      era: 'legacy',
      message: { jsonrpc: '2.0', ...message },
      sessionId: session.id,
      headers: versionHeader(session.version),
    } as const;
    await link.send(session.route, sending, { signal, onMessage: () => undefined });
  }

  return {
    async open(route, client, lane) {
      const key = keyOf(route, client, lane);
      const known = sessions.get(key);
      if (known) return setLevel(known, client.logLevel);
      const started = opening.get(key);
      const promise = started ?? initialize(key, route, client).finally(() => opening.delete(key));
      opening.set(key, promise);
      return setLevel(await promise, client.logLevel);
    },
    forget(session) {
      if (sessions.peek(session.key) === session) sessions.delete(session.key);
    },
    endLane(lane) {
      const suffix = laneSuffix(lane);
      for (const [key, session] of sessions.entries()) {
        if (!key.endsWith(suffix)) continue;
        sessions.delete(key);
        end(session);
      }
    },
    close() {
      clearInterval(sweeper);
      sessions.clear();
    },
  };
}

/** The server makes no session: nothing was asked of it in one. */
export class SessionRefused extends Error {
  /** It may be that it speaks no such era; otherwise it was about credentials, limits or a failure. */
  readonly isEvidence: boolean;

  constructor(cause: unknown, isEvidence: boolean) {
    super('initialize was refused', { cause });
    this.isEvidence = isEvidence;
  }
}

function helloOf(answer: JsonObject | undefined, status: number): JsonObject {
  try {
    return resultOf(answer, status);
  } catch (thrown) {
    throw new GatehouseError('upstream_broken', {
      cause: new SessionRefused(thrown, status < 300 || isEraEvidence(status)),
    });
  }
}

const laneSuffix = (lane: string) => `,${JSON.stringify(lane)}]`;

function keyOf({ organization, binding, principal }: Route, client: ClientFacts, lane: string): string {
  const { credential, server } = binding;
  return JSON.stringify([
    organization.id,
    binding.id,
    server.transport,
    principal.key,
    credential ? `${credential.id}:${credential.version}` : '',
    client.capabilities,
    lane === '' ? (client.logLevel ?? '') : '',
    lane,
  ]);
}

export const versionHeader = (version: string): Record<string, string> =>
  version >= '2025-06-18' ? { 'mcp-protocol-version': version } : {};
