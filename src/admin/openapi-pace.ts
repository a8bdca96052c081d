/**
 * How much of everybody's time an organization may take by having OpenAPI documents read: the threads that read them are few,
 * and everybody's.
 */
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { OpenApiImport } from './openapi-import.ts';

export interface OpenApiPace {
  /** As `importing`, whose `read` rejects with `too_many_calls` once the organization has had its share. */
  of(org: OrgId, importing: OpenApiImport | undefined): OpenApiImport | undefined;
}

/** Milliseconds that may be used at once; it comes back within ten times as long. */
const SHARE_MS = 8000;
const REGROWTH = 0.1;
const MAX_ORGANIZATIONS = 10_000;

export function openOpenApiPace({ clock }: { readonly clock: Clock }): OpenApiPace {
  const used = new Map<OrgId, { readonly ms: number; readonly at: number }>();

  function usedBy(org: OrgId): number {
    const { ms, at } = used.get(org) ?? { ms: 0, at: 0 };
    return Math.max(0, ms - (clock.monotonic() - at) * REGROWTH);
  }

  function note(org: OrgId, ms: number): void {
    if (used.size >= MAX_ORGANIZATIONS) for (const other of used.keys()) if (usedBy(other) === 0) used.delete(other);
    used.set(org, { ms: usedBy(org) + ms, at: clock.monotonic() });
  }

  return {
    of(org, importing) {
      if (!importing) return undefined;
      return {
        ...importing,
        async read(text, reading) {
          const over = usedBy(org) - SHARE_MS;
          if (over >= 0) {
            throw new GatehouseError('too_many_calls', {
              message: 'Much was read for this organization: try again in a minute',
              retryAfterSeconds: Math.ceil(over / REGROWTH / 1000) + 1,
            });
          }
          const begun = clock.monotonic();
          try {
            return await importing.read(text, reading);
          } finally {
            note(org, clock.monotonic() - begun);
          }
        },
      };
    },
  };
}
