/**
 * Lists of tools behind the pins of their bindings: what an organization has not approved is in none of them, for lists
 * and for calls alike. Where it can't be told what was approved, a list is missing.
 */
import { LRUCache } from 'lru-cache';
import type { OrgId } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { Binding } from '#records/snapshot.ts';
import type { Changed, Got, Held, Lists } from './lists.ts';
import type { Pins, PinVerdict } from './pins.ts';

export interface PinnedLists extends Lists {
  /** What the organization approved may be another thing from now on. */
  renewed(org: OrgId): void;
}

export interface PinnedListsDeps {
  readonly lists: Lists;
  readonly pins: Pins;
  readonly log: Log;
}

interface Judged {
  /** What it was judged by. */
  readonly by: string;
  readonly shown: Held;
}

interface Used {
  readonly route: Route;
  readonly held: Held;
}

export const isPinned = ({ shaping }: Binding): boolean => shaping !== undefined && shaping.pins !== 'off';

export function openPinnedLists({ lists, pins, log }: PinnedListsDeps): PinnedLists {
  const judged = new WeakMap<Held, Judged>();
  const epochs = new Map<OrgId, number>();
  /** The latest of each binding: whoever listens hears when it becomes another one. */
  const used = new LRUCache<string, Used>({ max: 5000 });
  const listeners = new Set<(changed: Changed) => void>();
  let versions = 0;

  const judgedBy = ({ organization, binding: { shaping } }: Route) =>
    `${shaping?.pins} ${shaping?.newTools} ${epochs.get(organization.id) ?? 0}`;

  async function show(route: Route, held: Held): Promise<Held> {
    const { organization, binding } = route;
    const by = judgedBy(route);
    const known = judged.get(held);
    if (known?.by === by) return known.shown;
    const verdicts = await pins.check({
      org: organization.id,
      server: binding.server.id,
      partition: binding.partition,
      tools: held.items,
      policy: binding.shaping?.pins ?? 'off',
      newTools: binding.shaping?.newTools,
    });
    const shown = replaced(held, verdicts, known?.shown);
    judged.set(held, { by, shown });
    used.set(`${organization.id} ${binding.id}`, { route, held });
    return shown;
  }

  /** Versions below zero: those of the lists themselves are above. */
  function replaced(held: Held, verdicts: ReadonlyMap<string, PinVerdict>, before: Held | undefined): Held {
    const byKey = new Map<string, JsonObject>();
    for (const name of held.byKey.keys()) {
      const definition = verdicts.get(name)?.definition;
      if (definition) byKey.set(name, definition);
    }
    const items = [...byKey.values()];
    for (const same of [held, before]) if (same && isSame(same.items, items)) return same;
    return { ...held, items, byKey, version: --versions };
  }

  async function showOrMiss(route: Route, got: Got): Promise<Got> {
    if (!got.held || !isPinned(route.binding)) return got;
    try {
      return { ...got, held: await show(route, got.held) };
    } catch (error) {
      log.error({ err: error, server: route.binding.server.key }, 'a list of tools could not be compared to its pins');
      return { held: undefined, stale: true, freshMs: 0 };
    }
  }

  async function compare({ route, held }: Used): Promise<void> {
    const before = judged.get(held)?.shown;
    const { organization, binding } = route;
    if ((await show(route, held)) === before) return;
    const changed = { organization: organization.id, binding: binding.id, kind: 'tools', context: undefined } as const;
    for (const hear of listeners) hear(changed);
  }

  return {
    ...lists,
    async read(routes, kind) {
      const got = await lists.read(routes, kind);
      if (kind !== 'tools' || !routes.some(({ binding }) => isPinned(binding))) return got;
      return Promise.all(
        got.map((one, i) => {
          const route = routes[i];
          return route ? showOrMiss(route, one) : one;
        }),
      );
    },
    peek(route, kind) {
      const held = lists.peek(route, kind);
      if (!held || kind !== 'tools' || !isPinned(route.binding)) return held;
      const known = judged.get(held);
      return known?.by === judgedBy(route) ? known.shown : undefined;
    },
    onChanged(listener) {
      listeners.add(listener);
      const stop = lists.onChanged(listener);
      return () => {
        stop();
        return listeners.delete(listener);
      };
    },
    renewed(org) {
      pins.forget(org);
      epochs.set(org, (epochs.get(org) ?? 0) + 1);
      for (const one of used.values()) {
        if (one.route.organization.id !== org) continue;
        compare(one).catch((error) => log.warn({ err: error }, 'pins could not be read'));
      }
    },
  };
}

function isSame(a: readonly JsonObject[], b: readonly JsonObject[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i] || JSON.stringify(item) === JSON.stringify(b[i]));
}
