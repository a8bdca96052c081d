import { z } from 'zod';
import type { ContentFilter, FilterDeps } from '#adapters/filter/filter.ts';
import type { Adapter } from '#core/adapter.ts';

const config = z.strictObject({ maxBytes: z.int().min(1).max(1_073_741_824) });

/** Nothing to redact in it: what is too large is blocked or flagged. */
export const sizeFilter: Adapter<'size', typeof config, FilterDeps, ContentFilter> = {
  kind: 'size',
  title: 'Messages beyond a size',
  config,
  open: ({ maxBytes }) => ({ weigh: (bytes) => (bytes > maxBytes ? 'too-large' : undefined) }),
};
