/**
 * Servers in use are looked after: who has not answered a call for a while is asked, and routing obeys the answer through
 * the breakers (REQUIREMENTS S4.25; every 30 s with 5 s of patience, S4.11). Per organization and server, as the breakers.
 */
import { LRUCache } from 'lru-cache';
import type { Endpoint } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Breakers, Verdict } from '#gateway/breakers.ts';
import {
  type Binding,
  isOfCaller,
  lineOf,
  type OrganizationSnapshot,
  type ServerDefinition,
} from '#records/snapshot.ts';

export interface Probed {
  readonly verdict: Verdict;
  /** Names of what the server says that it can; undefined: it said nothing of it. */
  readonly capabilities?: readonly string[] | undefined;
  /** Of several addresses those that did not answer. */
  readonly silent?: readonly Endpoint[];
}

/** One real request to the server. Never rejects. */
export type Probe = (organization: OrganizationSnapshot, binding: Binding) => Promise<Probed>;

/** As they are known now, without asking. */
export type FindEndpoints = (server: ServerDefinition) => readonly Endpoint[] | undefined;

/** REQUIREMENTS S4.9. */
export interface ServerHealth {
  readonly instances: number;
  readonly healthy: number;
  readonly capabilities: readonly string[];
  /** ISO 8601, of the newest answer or silence; null: it was not asked for lately. */
  readonly lastCheck: string | null;
}

/** What calls tell on their way: synchronous and cheap. */
export interface InUse {
  note(organization: OrganizationSnapshot, binding: Binding): void;
  heard(org: OrgId, line: string, verdict: Verdict): void;
}

export interface Health extends InUse {
  find(org: OrgId, binding: Binding): ServerHealth;
  /** Unix milliseconds of the newest answer or silence, whoever asked. */
  checkedAt(line: string): number | undefined;
  /** Asks those whose time has come. Resolves when they have answered or their time is over. Never rejects. */
  check(): Promise<void>;
  /** From now on servers are asked; the breakers are known by now. */
  start(deps: { readonly probe: Probe; readonly breakers: Pick<Breakers, 'mark' | 'isOpen'> }): void;
  close(): void;
}

export interface HealthDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs?: number;
  /** Undefined: every server has one address. */
  readonly endpointsOf?: FindEndpoints;
}

interface Entry {
  organization: OrganizationSnapshot;
  binding: Binding;
  /** Monotonic milliseconds, as these two. */
  usedAt: number;
  answeredAt: number;
  dueAt: number;
  /** Unix milliseconds; 0: never. */
  checkedAt: number;
  capabilities: readonly string[];
  isAsked: boolean;
  /** Monotonic milliseconds of when it came into use, and how often in a row it did not answer since it last did. */
  readonly since: number;
  failures: number;
}

const INTERVAL_MS = 30_000;
/** What nobody has called since is not asked. */
const USED_MS = 600_000;
const AT_ONCE = 16;
const TICK_MS = 1000;

export function openHealth({ clock, log, intervalMs = INTERVAL_MS, endpointsOf }: HealthDeps): Health {
  const entries = new LRUCache<string, Entry>({ max: 5000 });
  const keyOf = (org: OrgId, line: string) => `${org} ${line}`;
  let started: Parameters<Health['start']>[0] | undefined;
  let asking = 0;
  let timer: NodeJS.Timeout | undefined;

  async function ask(entry: Entry, { probe, breakers }: NonNullable<typeof started>): Promise<void> {
    const { organization, binding } = entry;
    const line = lineOf(binding.server);
    entry.isAsked = true;
    asking++;
    try {
      let probed = await probe(organization, binding);
      // One answer may get lost.
      if (probed.verdict === 'failed') probed = await probe(organization, binding);
      if (probed.verdict === 'unknown') return;
      for (const endpoint of probed.silent ?? []) endpoint.eject();
      entry.checkedAt = clock.now();
      if (probed.capabilities) entry.capabilities = probed.capabilities;
      const isWell = probed.verdict === 'answered';
      entry.failures = isWell ? 0 : entry.failures + 1;
      if (isWell || isFailed(entry, clock.monotonic())) breakers.mark(organization.id, line, isWell);
    } catch (error) {
      log.error({ err: error, server: binding.server.key }, 'a server could not be looked after');
    } finally {
      asking--;
      entry.isAsked = false;
      entry.dueAt = clock.monotonic() + intervalMs;
    }
  }

  /** Whoever answers calls needs no question. */
  function isDue(entry: Entry, now: number): boolean {
    if (entry.isAsked || now < entry.dueAt) return false;
    const isOpen = started?.breakers.isOpen(entry.organization.id, lineOf(entry.binding.server)) === true;
    if (isOpen || hasSeveral(entry.binding) || now - entry.answeredAt >= intervalMs) return true;
    entry.dueAt = entry.answeredAt + intervalMs;
    return false;
  }

  async function check(): Promise<void> {
    if (!started) return;
    const now = clock.monotonic();
    const asked: Promise<void>[] = [];
    for (const [key, entry] of entries.entries()) {
      if (now - entry.usedAt > USED_MS) entries.delete(key);
      else if (asking < AT_ONCE && isDue(entry, now)) asked.push(ask(entry, started));
    }
    await Promise.all(asked);
  }

  return {
    note(organization, binding) {
      if (!isAskable(binding)) return;
      const key = keyOf(organization.id, lineOf(binding.server));
      const known = entries.get(key);
      const now = clock.monotonic();
      if (known) {
        known.organization = organization;
        known.binding = binding;
        known.usedAt = now;
        return;
      }
      const dueAt = now + intervalMs;
      const fresh = { organization, binding, usedAt: now, answeredAt: Number.NEGATIVE_INFINITY, dueAt };
      entries.set(key, { ...fresh, checkedAt: 0, capabilities: [], isAsked: false, since: now, failures: 0 });
    },
    heard(org, line, verdict) {
      if (verdict === 'unknown') return;
      const entry = entries.peek(keyOf(org, line));
      if (!entry) return;
      entry.checkedAt = clock.now();
      if (verdict === 'answered') entry.answeredAt = clock.monotonic();
    },
    find(org, { server }) {
      const line = lineOf(server);
      const { checkedAt = 0, capabilities = [] } = entries.peek(keyOf(org, line)) ?? {};
      const isOpen = started?.breakers.isOpen(org, line) === true;
      const { instances, well } = countEndpoints(server, endpointsOf?.(server));
      return {
        ...{ instances, healthy: isOpen ? 0 : well, capabilities },
        lastCheck: checkedAt === 0 ? null : new Date(checkedAt).toISOString(),
      };
    },
    checkedAt(line) {
      let newest = 0;
      for (const [key, entry] of entries.entries())
        if (key.endsWith(` ${line}`)) newest = Math.max(newest, entry.checkedAt);
      return newest === 0 ? undefined : newest;
    },
    check,
    start(deps) {
      started = deps;
      timer = setInterval(() => void check(), TICK_MS).unref();
    },
    close() {
      clearInterval(timer);
      started = undefined;
    },
  };
}

/** What answers calls as a whole says nothing of each of its addresses. */
const hasSeveral = ({ server: { transport } }: Binding) => transport.kind === 'http' && transport.urls !== undefined;

export function countEndpoints({ transport }: ServerDefinition, known: readonly Endpoint[] | undefined) {
  const instances = transport.kind === 'http' ? new Set([transport.url, ...(transport.urls ?? [])]).size : 1;
  return { instances, well: instances - (known ?? []).filter(({ isEjected }) => isEjected).length };
}

/** REQUIREMENTS S1.35, of servers that are pinned to a revision: silent three times, and not while they start. */
const PINNED_FAILURES = 3;
const START_MS = 40_000;

function isFailed({ binding, since, failures }: Entry, now: number): boolean {
  if (binding.server.transport.protocolVersion === undefined) return true;
  return failures >= PINNED_FAILURES && now - since >= START_MS;
}

/**
 * Programs on stdin and stdout are watched where they run: each caller has one, and each begins with `initialize`. What
 * somebody's own account opens cannot be asked without it.
 */
function isAskable(binding: Binding): boolean {
  const { kind, protocolVersion } = binding.server.transport;
  if (isOfCaller(binding)) return false;
  return kind === 'http' || (kind !== 'stdio' && protocolVersion !== undefined);
}
