/** What is looked for in the trail: every part of it is in the address. */
import { useMemo } from 'react';
import { useSearchParams } from 'wouter';
import type { RouteInput } from '#portal/api/client.ts';

export const kinds = [
  { value: 'call', label: 'Calls' },
  { value: 'sign_in', label: 'Sign-ins' },
  { value: 'admin', label: 'Administration' },
  { value: 'credential', label: 'Credentials' },
  { value: 'security', label: 'Security' },
] as const;

const decisions = ['allow', 'deny'] as const;
const words = ['person', 'server', 'tool', 'action'] as const;
export const filterNames = [...words, 'kind', 'decision', 'since', 'until'] as const;

export type TrailFilter = Pick<RouteInput<'listPlatformAudit'>, (typeof filterNames)[number]>;

/** What the address says; a word of it that means nothing is left out. */
export function useTrailFilter(): { readonly filter: TrailFilter; readonly clear: () => void } {
  const [search, setSearch] = useSearchParams();
  const key = filterNames.map((name) => `${name}=${search.get(name) ?? ''}`).join('\n');
  const filter = useMemo(() => {
    const given = new Map(
      key.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    const timed = (name: 'since' | 'until') => {
      const at = Date.parse(given.get(name) ?? '');
      return Number.isNaN(at) ? undefined : new Date(at).toISOString();
    };
    const kind = kinds.find(({ value }) => value === given.get('kind'))?.value;
    const decision = decisions.find((one) => one === given.get('decision'));
    const [since, until] = [timed('since'), timed('until')];
    const found: TrailFilter = {
      ...Object.fromEntries(words.flatMap((name) => (given.get(name) ? [[name, given.get(name)]] : []))),
      ...(kind && { kind }),
      ...(decision && { decision }),
      ...(since !== undefined && { since }),
      ...(until !== undefined && { until }),
    };
    return found;
  }, [key]);
  const clear = () =>
    setSearch((before) => {
      const next = new URLSearchParams(before);
      for (const name of filterNames) next.delete(name);
      return next;
    });
  return { filter, clear };
}
