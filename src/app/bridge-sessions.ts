/** Sessions of a bridge: each has a child of its own, for each is a caller of its own to the adapter. */
import { randomUUID } from 'node:crypto';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId, PrincipalKey } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';

export interface BridgeSession {
  /** Undefined: the server has not answered `initialize` yet. */
  readonly id: string | undefined;
  readonly principal: PrincipalKey;
}

export interface BridgeSessions {
  readonly size: number;
  /** Of requests that need no session: they share one child. */
  readonly modern: BridgeSession;
  /** Throws GatehouseError `upstream_busy` when there are too many. */
  begin(): BridgeSession;
  find(id: string): BridgeSession | undefined;
  /** The server answered `initialize` and named the session; without a name it refused. */
  settle(session: BridgeSession, id: string | string[] | undefined): void;
  /** In use until what it returns is called, once or more. */
  hold(session: BridgeSession): () => void;
  remove(id: string | undefined): void;
  close(): void;
}

export interface BridgeSessionsDeps {
  readonly clock: Clock;
  readonly upstream: Upstream;
  readonly org: OrgId;
  readonly maxSessions: number;
  readonly idleMs: number;
  readonly sweepMs: number;
}

interface Entry {
  id: string | undefined;
  readonly principal: PrincipalKey;
  /** Monotonic milliseconds. */
  usedAt: number;
  open: number;
}

export function openBridgeSessions(deps: BridgeSessionsDeps): BridgeSessions {
  const { clock, upstream, org, maxSessions, idleMs } = deps;
  const sessions = new Map<string, Entry>();
  const starting = new Set<Entry>();
  const modern: Entry = { id: undefined, principal: principalKey('bridge', 'modern'), usedAt: 0, open: 0 };
  const sweeper = setInterval(sweep, deps.sweepMs).unref();

  function sweep(): void {
    const oldest = clock.monotonic() - idleMs;
    for (const entry of sessions.values()) if (entry.open === 0 && entry.usedAt <= oldest) end(entry);
  }

  /** Its child ends with it. */
  function end({ id, principal }: Entry): void {
    if (id === undefined) return;
    sessions.delete(id);
    const sink = { onHead: () => undefined, onData: () => true, onEnd: () => undefined, onError: () => undefined };
    upstream.start(
      {
        ...{ method: 'DELETE', headers: {}, body: undefined, rpcMethod: undefined, era: 'legacy', sessionId: id },
        ...{ principal, org, credential: undefined, credentialKey: '', partition: undefined },
        timeouts: { headersMs: 0, idleMs: 0, totalMs: 0 },
      },
      sink,
    );
  }

  const entryOf = (session: BridgeSession): Entry | undefined =>
    session.principal === modern.principal
      ? modern
      : ([...starting].find(({ principal }) => principal === session.principal) ?? sessions.get(session.id ?? ''));

  return {
    modern,
    get size() {
      return sessions.size;
    },
    begin() {
      if (sessions.size + starting.size >= maxSessions)
        throw new GatehouseError('upstream_busy', { message: 'Too many sessions', retryAfterSeconds: 60 });
      const principal = principalKey('bridge', randomUUID());
      const entry: Entry = { id: undefined, principal, usedAt: clock.monotonic(), open: 0 };
      starting.add(entry);
      return entry;
    },
    find: (id) => sessions.get(id),
    settle(session, id) {
      const entry = [...starting].find(({ principal }) => principal === session.principal);
      if (!entry || typeof id !== 'string') return;
      starting.delete(entry);
      entry.id = id;
      sessions.set(id, entry);
    },
    hold(session) {
      const entry = entryOf(session);
      if (!entry) return () => undefined;
      entry.open++;
      let isHeld = true;
      return () => {
        if (!isHeld) return;
        isHeld = false;
        entry.open--;
        entry.usedAt = clock.monotonic();
        // It never came to be.
        if (entry.id === undefined) starting.delete(entry);
      };
    },
    remove(id) {
      if (id !== undefined) sessions.delete(id);
    },
    close: () => clearInterval(sweeper),
  };
}
