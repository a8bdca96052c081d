/**
 * Sessions with servers of the legacy era: one per organization, binding, principal, credential, declared capabilities and
 * lane. They are made when needed, end after a while without use, and never change hands.
 */
import { hash } from 'node:crypto';
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
  readonly lane: string;
  /** Whose it is: equal for all of one caller. */
  readonly owner: string;
  readonly route: Route;
}

export interface UpstreamSessions {
  open(route: Route, client: ClientFacts, lane: string): Promise<UpstreamSession>;
  /** It is in use until the answer is called: until then it isn't ended. */
  use(session: UpstreamSession): () => void;
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
  /** Of one caller, who can have as many as there are capabilities to declare. Default 100. */
  readonly maxPerCaller?: number;
}

/** Of what a server says of itself: it is kept as long as the session. */
const MAX_HELLO_CHARACTERS = 131_072;
/** MCP 2025-11-25: visible ASCII. */
const sessionId = /^[\x21-\x7e]{1,4096}$/;
const INITIALIZE_MS = 10_000;
const [NEWEST = ''] = legacyVersions;

export function openUpstreamSessions(deps: UpstreamSessionsDeps): UpstreamSessions {
  const { link, log, maxPerCaller = 100 } = deps;
  const uses = new Map<UpstreamSession, number>();
  /** No longer to be had, but in use. */
  const leaving = new Set<UpstreamSession>();
  const sessions = new LRUCache<string, UpstreamSession>({
    max: deps.max,
    ttl: deps.idleMs,
    updateAgeOnGet: true,
    ttlAutopurge: false,
    perf: { now: () => deps.clock.monotonic() },
    dispose: (session, _key, reason) => {
      if (reason !== 'set' && reason !== 'delete') leave(session);
    },
  });
  const opening = new Map<string, Promise<UpstreamSession>>();
  const sweeper = setInterval(() => sessions.purgeStale(), 30_000).unref();

  function leave(session: UpstreamSession): void {
    if (uses.has(session)) leaving.add(session);
    else end(session);
  }

  function remove(session: UpstreamSession): void {
    sessions.delete(session.key);
    leave(session);
  }

  /** A caller's many sessions cost that caller's own, never another's. Throws GatehouseError `upstream_busy`. */
  function makeRoom(owner: string): void {
    const idle: UpstreamSession[] = [];
    let own = 0;
    for (const session of sessions.rvalues()) {
      if (session?.owner !== owner) continue;
      own++;
      if (!uses.has(session)) idle.push(session);
    }
    if (own < maxPerCaller) return;
    const [oldest] = idle;
    if (!oldest) throw new GatehouseError('upstream_busy', { retryAfterSeconds: 5 });
    remove(oldest);
  }

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

  async function initialize(
    route: Route,
    client: ClientFacts,
    { key, lane, owner }: Pick<UpstreamSession, 'key' | 'lane' | 'owner'>,
  ): Promise<UpstreamSession> {
    makeRoom(owner);
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
    const id = answered.headers['mcp-session-id'];
    if (id !== undefined && (typeof id !== 'string' || !sessionId.test(id)))
      throw new GatehouseError('upstream_broken', { cause: new Error('a session id that is none') });
    if (JSON.stringify(hello).length > MAX_HELLO_CHARACTERS)
      throw new GatehouseError('upstream_broken', { cause: new Error('too much said at initialize') });
    const session = { id, version, hello, key, lane, owner, route };
    await tell(session, { method: 'notifications/initialized' }, signal);
    const { logLevel } = client;
    if (logLevel !== undefined && objectIn(objectIn(hello, 'capabilities'), 'logging'))
      await tell(session, { id: 'level', method: 'logging/setLevel', params: { level: logLevel } }, signal);
    sessions.set(key, session);
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
      if (known) return known;
      const started = opening.get(key);
      if (started) return started;
      const owner = JSON.stringify([route.organization.id, route.principal.key]);
      const promise = initialize(route, client, { key, lane, owner }).finally(() => opening.delete(key));
      opening.set(key, promise);
      return promise;
    },
    use(session) {
      uses.set(session, (uses.get(session) ?? 0) + 1);
      return () => {
        const left = (uses.get(session) ?? 1) - 1;
        if (left > 0) uses.set(session, left);
        else uses.delete(session);
        if (left === 0 && leaving.delete(session)) end(session);
      };
    },
    forget(session) {
      if (sessions.peek(session.key) === session) sessions.delete(session.key);
    },
    endLane(lane) {
      for (const session of [...sessions.values()]) if (session.lane === lane) remove(session);
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

/** A digest: what a client declares can be long. */
function keyOf({ organization, binding, principal }: Route, client: ClientFacts, lane: string): string {
  const { credential, server } = binding;
  const parts = JSON.stringify([
    organization.id,
    binding.id,
    server.id,
    server.transport,
    binding.partition ?? null,
    principal.key,
    credential ? `${credential.id}:${credential.version}` : '',
    client.capabilities,
    client.logLevel ?? '',
    lane,
  ]);
  return hash('sha256', parts, 'base64url');
}

export const versionHeader = (version: string): Record<string, string> =>
  version >= '2025-06-18' ? { 'mcp-protocol-version': version } : {};
