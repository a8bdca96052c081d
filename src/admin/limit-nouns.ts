/** Limits of an organization, as the admin API and gatehouse.yaml have them. */
import { z } from 'zod';
import { organizationRef, slug, text } from './nouns.ts';

const numeric = (value: unknown) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value);
const number = (schema: z.ZodInt) => z.preprocess(numeric, schema);
const id = z.uuid('must be an id');

/** 31 days. */
const MAX_WINDOW_SECONDS = 2_678_400;

/** For whom and of which calls. */
const scope = {
  counts: z
    .enum(['organization', 'principal', 'group'])
    .default('principal')
    .describe('Who is counted: all together, each caller, or each group by itself.'),
  group: text.optional().describe('Name of a group: only its members.'),
  user: z.union([z.email(), id]).optional().describe('E-mail address or id of a person: only them.'),
  apiKey: text.optional().describe('Id of an API key: only it.'),
  server: slug.optional().describe('Key of a server: only calls to it.'),
  tool: z.string().min(1).max(256).optional().describe("The server's own name of a tool: only calls of it."),
};

const numbers = {
  points: number(z.int().min(0)).optional().describe('Calls in `windowSeconds`; 0: none.'),
  windowSeconds: number(z.int().min(1).max(MAX_WINDOW_SECONDS))
    .default(60)
    .describe('60: a minute; 86400: a day. The window slides.'),
  burst: number(z.int().min(0)).default(0).describe('Beyond `points`, at once, for whoever was quiet before.'),
  concurrent: number(z.int().min(0)).optional().describe('Calls under way at once, on each replica.'),
};

export const limitInput = { ...scope, ...numbers };

interface Limits {
  readonly points?: number | undefined;
  readonly concurrent?: number | undefined;
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  readonly group?: string | undefined;
  readonly user?: string | undefined;
  readonly apiKey?: string | undefined;
}

/** What is wrong with it, in a few words. */
export function limitFault({ points, concurrent, server, tool, group, user, apiKey }: Limits): string | undefined {
  if (points === undefined && concurrent === undefined) return 'needs points or concurrent';
  if (tool !== undefined && server === undefined) return 'names a tool and no server';
  const holders = [group, user, apiKey].filter((holder) => holder !== undefined);
  return holders.length > 1 ? 'names more than one of group, user and apiKey' : undefined;
}

export const fileLimitRule = z
  .strictObject({ organization: organizationRef.describe('Whose it is: slug, external id or UUID.'), ...limitInput })
  .superRefine((rule, context) => {
    const fault = limitFault(rule);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  });

export const limit = z.object({
  id: z.string(),
  counts: z.enum(['organization', 'principal', 'group']),
  group: z.string().nullable(),
  user: z.string().nullable(),
  apiKey: z.string().nullable(),
  server: z.string().nullable(),
  tool: z.string().nullable(),
  points: z.number().nullable(),
  windowSeconds: z.number().nullable(),
  burst: z.number().nullable(),
  concurrent: z.number().nullable(),
});
export type ShownLimit = z.output<typeof limit>;

export const limitUsage = z.object({
  items: z.array(
    z.object({
      /** Id of a key, a person or a group; null: the organization. */
      of: z.string().nullable(),
      used: z.number(),
      points: z.number(),
      remaining: z.number(),
      /** Until the first of them comes back. */
      resetSeconds: z.number(),
    }),
  ),
});
