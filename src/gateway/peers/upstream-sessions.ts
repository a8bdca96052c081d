/**
 * Sessions with servers of the legacy era: one per organization, binding, principal, credential, declared capabilities and
 * lane. They are made when needed, end after a while without use, and never change hands. Those of servers that remember
 * something in them are shared between replicas (`shared-sessions.ts`).
 */

import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { legacyVersions } from '#mcp/versions.ts';
import { lineOf } from '#records/snapshot.ts';
import type { Link, Route } from './link.ts';
import { isEraEvidence, resultOf } from './modern-peer.ts';
import type { ClientFacts } from './peer.ts';
import type { SharedSessions } from './shared-sessions.ts';

export interface UpstreamSession {
  /** Undefined: the server keeps none. */
  readonly id: string | undefined;
  readonly version: string;
  /** The server's `initialize` result. */
  readonly hello: JsonObject;
  readonly key: string;
  /** What of the key its route doesn't say. */
  readonly variant: string;
  readonly route: Route;
}

export interface UpstreamSessions {
  open(route: Route, client: ClientFacts, lane: string): Promise<UpstreamSession>;
  /** As long as it is held it is in use. Returns what lets it go. */
  hold(session: UpstreamSession): () => void;
  /** The server forgot it. */
  forget(session: UpstreamSession): Promise<void>;
  /** Nobody needs it any more. */
  end(route: Route, client: ClientFacts, lane: string): void;
  /** Of a session of a client that has ended. */
  endLane(lane: string): void;
  readonly size: number;
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
  /** Undefined: this replica is alone. */
  readonly shared?: SharedSessions | undefined;
}

/** Of what a server says of itself: it is kept as long as the session. */
const MAX_HELLO_CHARACTERS = 131_072;
/** MCP 2025-11-25: visible ASCII. */
const sessionId = /^[\x21-\x7e]{1,4096}$/;
const INITIALIZE_MS = 10_000;
const SWEEP_MS = 30_000;
const [NEWEST = ''] = legacyVersions;

export function openUpstreamSessions(deps: UpstreamSessionsDeps): UpstreamSessions {
  const { link, log, shared, maxPerCaller = 100 } = deps;
  const sessions = new LRUCache<string, UpstreamSession>({
    max: deps.max,
    ttl: deps.idleMs,
    updateAgeOnGet: true,
    ttlAutopurge: false,
    perf: { now: () => deps.clock.monotonic() },
    dispose: (session, _key, reason) => {
      if (reason === 'set' || reason === 'delete') return;
      if (!shared?.covers(session)) tellEnded(session);
      // Another replica may go on with it.
      else shared.isUnused(session).then((isUnused) => isUnused && tellEnded(session), ignore);
    },
  });
  const opening = new Map<string, Promise<UpstreamSession>>();
  const held = new Map<UpstreamSession, number>();
  /** Level that the server was told last, by session. */
  const levels = new WeakMap<UpstreamSession, string>();
  const sweeper = setInterval(() => {
    for (const { key } of held.keys()) sessions.get(key);
    sessions.purgeStale();
  }, SWEEP_MS).unref();

  const ignore = (error: unknown) => log.debug({ err: error }, 'a session upstream could not be ended');

  function tellEnded(session: UpstreamSession): void {
    if (session.id === undefined) return;
    const signal = AbortSignal.timeout(INITIALIZE_MS);
    const headers = versionHeader(session.version);
    const sending = { method: 'DELETE', era: 'legacy', sessionId: session.id, headers } as const;
    link.send(session.route, sending, { signal, onMessage: () => undefined }).catch(ignore);
  }

  function end(session: UpstreamSession): void {
    sessions.delete(session.key);
    if (shared?.covers(session)) shared.remove(session).catch(ignore);
    tellEnded(session);
  }

  /** A caller's many sessions cost that caller's own, never another's. Throws GatehouseError `upstream_busy`. */
  function makeRoom({ organization, principal }: Route): void {
    let own = 0;
    let oldest: UpstreamSession | undefined;
    for (const session of sessions.rvalues()) {
      if (session?.route.principal.key !== principal.key || session.route.organization.id !== organization.id) continue;
      own++;
      if (!held.has(session)) oldest ??= session;
    }
    if (own < maxPerCaller) return;
    if (!oldest) throw new GatehouseError('upstream_busy', { retryAfterSeconds: 5 });
    end(oldest);
  }

  async function initialize(what: Pick<UpstreamSession, 'key' | 'variant' | 'route'>, client: ClientFacts) {
    const { route } = what;
    const signal = AbortSignal.timeout(INITIALIZE_MS);
    const pinned = route.binding.server.transport.protocolVersion;
    let answer: JsonObject | undefined;
    const params = {
      protocolVersion: pinned ?? NEWEST,
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
    if (!legacyVersions.includes(version) || (pinned !== undefined && version !== pinned))
      throw new GatehouseError('upstream_broken', { cause: new Error(`protocol version "${version}"`) });
    const id = answered.headers['mcp-session-id'];
    if (id !== undefined && (typeof id !== 'string' || !sessionId.test(id)))
      throw new GatehouseError('upstream_broken', { cause: new Error('a session id that is none') });
    if (JSON.stringify(hello).length > MAX_HELLO_CHARACTERS)
      throw new GatehouseError('upstream_broken', { cause: new Error('too much said at initialize') });
    const session = { ...what, id, version, hello };
    await tell(session, { method: 'notifications/initialized' }, signal);
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

  /** A level is the whole session's: where the session is one client's, it changes with the client's. */
  async function setLevel(session: UpstreamSession, level: string | undefined): Promise<void> {
    if (level === undefined || levels.get(session) === level) return;
    if (!objectIn(objectIn(session.hello, 'capabilities'), 'logging')) return;
    levels.set(session, level);
    const message = { id: `level-${level}`, method: 'logging/setLevel', params: { level } };
    await tell(session, message, AbortSignal.timeout(INITIALIZE_MS));
  }

  async function findOrMake(what: Pick<UpstreamSession, 'key' | 'variant' | 'route'>, client: ClientFacts) {
    const known = await shared?.find(what);
    makeRoom(what.route);
    const session = known ?? (await initialize(what, client));
    sessions.set(what.key, session);
    if (!known) await shared?.put(session);
    return session;
  }

  async function open(asked: Route, client: ClientFacts, lane: string): Promise<UpstreamSession> {
    const account = await link.accountOf(asked);
    const route = account === undefined ? asked : { ...asked, account };
    const variant = variantOf(client, lane);
    const key = keyOf(route, variant);
    const known = sessions.get(key);
    if (known) {
      shared?.touch(known);
      return known;
    }
    const started = opening.get(key);
    if (started) return started;
    const promise = findOrMake({ key, variant, route }, client).finally(() => opening.delete(key));
    opening.set(key, promise);
    return promise;
  }

  return {
    async open(route, client, lane) {
      const session = await open(route, client, lane);
      await setLevel(session, client.logLevel);
      return session;
    },
    hold(session) {
      held.set(session, (held.get(session) ?? 0) + 1);
      return () => {
        const left = (held.get(session) ?? 1) - 1;
        if (left > 0) held.set(session, left);
        else held.delete(session);
      };
    },
    async forget(session) {
      if (sessions.peek(session.key) === session) sessions.delete(session.key);
      if (shared?.covers(session)) await shared.remove(session).catch(ignore);
    },
    end(route, client, lane) {
      const variant = variantOf(client, lane);
      for (const session of [...sessions.values()])
        if (session.variant === variant && session.key === keyOf({ ...route, account: session.route.account }, variant))
          end(session);
    },
    endLane(lane) {
      const suffix = laneSuffix(lane);
      for (const [key, session] of [...sessions.entries()]) if (key.endsWith(suffix)) end(session);
    },
    get size() {
      return sessions.size;
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

/** Where nobody's session stands behind it, each log level has a session of its own. */
function variantOf(client: ClientFacts, lane: string): string {
  return JSON.stringify([client.capabilities, lane === '' ? (client.logLevel ?? '') : '', lane]);
}

function keyOf({ organization, binding, principal, account = '' }: Route, variant: string): string {
  const { credential, server } = binding;
  const of = [organization.id, binding.id, lineOf(server), server.transport, binding.partition ?? null, principal.key];
  return `${JSON.stringify([...of, credential ? `${credential.id}:${credential.version}` : account])}${variant}`;
}

export const versionHeader = (version: string): Record<string, string> =>
  version >= '2025-06-18' ? { 'mcp-protocol-version': version } : {};
