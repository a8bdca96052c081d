/** Content filters, opened once for each version of their rows. */
import type { ContentFilter } from '#adapters/filter/filter.ts';
import { filterAdapters } from '#adapters/filter/index.ts';
import type { Filters } from '#gateway/engine/screen.ts';
import type { ContentFilterSource } from '#records/snapshot.ts';

export function openFilters(): Filters {
  const opened = new WeakMap<ContentFilterSource, Promise<ContentFilter>>();
  return {
    open(source) {
      const known = opened.get(source) ?? openFilter(source);
      opened.set(source, known);
      return known;
    },
  };
}

const settingsOf = (kind: string, config: unknown) => ({ ...(typeof config === 'object' ? config : {}), kind });

async function openFilter({ kind, config }: ContentFilterSource): Promise<ContentFilter> {
  return filterAdapters.open(filterAdapters.config.parse(settingsOf(kind, config)), {});
}

/** What is wrong with a filter as somebody writes it; undefined: nothing. */
export function explainFilter(kind: string, config: unknown): string | undefined {
  const parsed = filterAdapters.config.safeParse(settingsOf(kind, config));
  return parsed.success ? undefined : parsed.error.issues[0]?.message;
}
