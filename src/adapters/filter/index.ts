import { adapterRegistry } from '#core/adapter.ts';
import type { ContentFilter, FilterDeps } from './filter.ts';
import { patternFilter } from './pattern/pattern.ts';
import { personalDataFilter } from './personal-data/personal-data.ts';
import { secretsFilter } from './secrets/secrets.ts';
import { sizeFilter } from './size/size.ts';

export const filterAdapters = adapterRegistry<FilterDeps, ContentFilter>([
  secretsFilter,
  personalDataFilter,
  sizeFilter,
  patternFilter,
]);
