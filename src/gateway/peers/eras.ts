/**
 * Which eras a server speaks. Found out by asking it (PROTOCOL: an unrecognised refusal of a modern request means legacy;
 * refused credentials, failures and silence mean nothing), dated, and asked again: a stale verdict of `legacy` would
 * succeed for ever.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { type Era, eraOf } from '#mcp/versions.ts';
import type { ServerDefinition } from '#records/snapshot.ts';

export interface Eras {
  /**
   * Undefined: not known. Synchronous: the warm path asks. That a server is not modern holds until it was asked anew
   * (`takeDue`); that it is not legacy is forgotten after a while: it is found out by the next `initialize`. What a pinned
   * server speaks is given.
   */
  speaks(server: ServerDefinition, era: Era): boolean | undefined;
  note(server: ServerDefinition, era: Era, speaks: boolean): void;
  /** What is known turned out to be wrong. */
  doubt(server: ServerDefinition): void;
  /** That it is not modern was found out long ago: whoever gets `true` asks it again; then nobody does for a minute. */
  takeDue(server: ServerDefinition): boolean;
}

/** Monotonic milliseconds of when it was found out. */
interface Finding {
  readonly speaks: boolean;
  readonly at: number;
}

type Findings = { [era in Era]?: Finding };

/** Between two attempts to ask a server that doesn't tell. */
const AGAIN_MS = 60_000;

export function openEras({ clock, ttlMs }: { readonly clock: Clock; readonly ttlMs: number }): Eras {
  const servers = new LRUCache<string, Findings>({ max: 10_000 });
  const keys = new WeakMap<object, string>();

  /** Another address is another server. */
  function keyOf({ id, transport }: ServerDefinition): string {
    let key = keys.get(transport);
    if (key === undefined) {
      key = `${id} ${JSON.stringify(transport)}`;
      keys.set(transport, key);
    }
    return key;
  }

  const isOld = ({ at }: Finding) => clock.monotonic() - at > ttlMs;

  return {
    speaks(server, era) {
      const { protocolVersion } = server.transport;
      if (protocolVersion !== undefined) return eraOf(protocolVersion) === era;
      const found = servers.get(keyOf(server))?.[era];
      if (!found) return undefined;
      // What it does speak fails loudly once it no longer does.
      return era === 'legacy' && !found.speaks && isOld(found) ? undefined : found.speaks;
    },
    note(server, era, speaks) {
      const key = keyOf(server);
      servers.set(key, { ...servers.get(key), [era]: { speaks, at: clock.monotonic() } });
    },
    doubt(server) {
      servers.delete(keyOf(server));
    },
    takeDue(server) {
      const key = keyOf(server);
      const findings = servers.get(key);
      const { modern } = findings ?? {};
      if (!modern || modern.speaks || !isOld(modern)) return false;
      servers.set(key, { ...findings, modern: { speaks: false, at: clock.monotonic() - ttlMs + AGAIN_MS } });
      return true;
    },
  };
}
