/**
 * Meta mode: three tools stand for all. The caller searches, reads signatures and calls by name; the whole list costs
 * a few hundred tokens however many tools there are (REQUIREMENTS S3.22).
 */
import type { JsonObject } from '#core/json.ts';

export const metaToolNames = { search: 'search_tools', describe: 'describe_tools', call: 'call_tool' } as const;

export interface MetaToolsOptions {
  /** How many tools stand behind, said in the description; unsaid where undefined. */
  readonly count?: number | undefined;
}

const stringList = { type: 'array', items: { type: 'string' } };
const readOnly = { readOnlyHint: true, openWorldHint: false };

const searchOutput = {
  type: 'object',
  properties: {
    query: { type: 'string' },
    count: { type: 'integer' },
    results: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          tool_name: { type: 'string' },
          signature: { type: 'string' },
          relevance_score: { type: 'number' },
        },
        required: ['tool_name', 'signature', 'relevance_score'],
      },
    },
  },
  required: ['query', 'count', 'results'],
};

/** Definitions for `tools/list`, in a fixed order. `call_tool` says nothing about side effects: it has those of its tool. */
export function metaTools({ count }: MetaToolsOptions = {}): readonly JsonObject[] {
  const all = count === undefined ? 'the tools' : `${count} tools`;
  return [
    {
      name: metaToolNames.search,
      title: 'Search tools',
      description: `Find among ${all} here those for a task. Returns signatures to use with call_tool.`,
      inputSchema: {
        type: 'object',
        properties: {
          query: { type: 'string', description: 'What to do, in a few words' },
          limit: { type: 'integer', minimum: 1, maximum: 50, default: 10 },
        },
        required: ['query'],
      },
      outputSchema: searchOutput,
      annotations: { title: 'Search tools', ...readOnly },
    },
    {
      name: metaToolNames.describe,
      title: 'Describe tools',
      description: 'Full description and input schema of tools, where a signature is not enough.',
      inputSchema: {
        type: 'object',
        properties: { tool_names: { ...stringList, minItems: 1, maxItems: 20 } },
        required: ['tool_names'],
      },
      outputSchema: {
        type: 'object',
        properties: { count: { type: 'integer' }, tools: { type: 'array', items: { type: 'object' } } },
        required: ['count', 'tools'],
      },
      annotations: { title: 'Describe tools', ...readOnly },
    },
    {
      name: metaToolNames.call,
      title: 'Call a tool',
      description: 'Call a tool found with search_tools. Wrong arguments are answered with its schema.',
      inputSchema: {
        type: 'object',
        properties: { tool_name: { type: 'string' }, arguments: { type: 'object' } },
        required: ['tool_name'],
      },
      annotations: { title: 'Call a tool' },
    },
  ];
}
