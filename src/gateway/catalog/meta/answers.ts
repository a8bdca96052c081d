/** `search_tools`, `describe_tools` and their REST twins `/meta/*` (REQUIREMENTS S3.22): pure, the engine makes the calls. */
import { z } from 'zod';
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { metaTools } from './meta-tools.ts';
import { firstSentence, signatureOf } from './signature.ts';
import { estimateTokens } from './tokens.ts';
import {
  findTool,
  indexOf,
  isAllowedAt,
  mayUse,
  nameOfTool,
  suggestNames,
  type ToolView,
  type ViewedTool,
} from './view.ts';
import { cleanLine } from './words.ts';

export const searchArguments = z.object({
  query: z.string().max(2000),
  limit: z.number().int().min(1).max(50).default(10),
});
export const describeArguments = z.object({ tool_names: z.array(z.string().max(256)).min(1).max(20) });
export const callArguments = z.object({ tool_name: z.string().max(256), arguments: z.unknown().optional() });

/** A tool's answer that says what was wrong, so that a model can do better. */
export const errorResult = (text: string): JsonObject => ({ content: [{ type: 'text', text }], isError: true });

interface Found {
  readonly tool: ViewedTool;
  readonly score: number;
}

function find(view: ToolView, { query, limit }: z.infer<typeof searchArguments>): readonly Found[] {
  const hits = indexOf(view.tools).search(query, { limit, allow: (at) => isAllowedAt(view, at) });
  return hits.flatMap(({ index, score }) => {
    const tool = view.tools[index];
    return tool === undefined ? [] : [{ tool, score: Math.round(score * 1000) / 1000 }];
  });
}

/** MCP result of `search_tools`: one signature per line, and the same structured. Wrong arguments are an error result. */
export function searchTools(view: ToolView, args: unknown): JsonObject {
  const parsed = searchArguments.safeParse(args);
  if (!parsed.success) return errorResult(`search_tools: ${z.prettifyError(parsed.error)}`);
  const results = find(view, parsed.data).map(({ tool, score }) => ({
    tool_name: nameOfTool(tool),
    signature: signatureOf(tool.published),
    relevance_score: score,
  }));
  const text = results.map((result) => result.signature).join('\n') || 'No tool found. Try other words.';
  const structuredContent = { query: parsed.data.query, count: results.length, results };
  return { content: [{ type: 'text', text }], structuredContent };
}

/** Body of `POST /meta/search_tools`. Throws ZodError where the arguments are wrong. */
export function searchBody(view: ToolView, args: unknown): JsonObject {
  const wanted = searchArguments.parse(args);
  const results = find(view, wanted).map(({ tool, score }) => ({
    tool_name: nameOfTool(tool),
    server_id: tool.server,
    display_name: displayNameOf(tool),
    description: firstSentence(stringIn(tool.published, 'description') ?? '', 300),
    relevance_score: score,
  }));
  return { query: wanted.query, count: results.length, results };
}

function displayNameOf({ published }: ViewedTool): string {
  const title = stringIn(published, 'title') ?? stringIn(objectIn(published, 'annotations'), 'title');
  return cleanLine(title ?? stringIn(published, 'name') ?? '', 128);
}

function parameterRows(schema: JsonObject | undefined): readonly JsonObject[] {
  const required = schema?.required;
  return Object.entries(objectIn(schema, 'properties') ?? {}).map(([name, property]) => ({
    name,
    type: isJsonObject(property) ? (property.type ?? 'any') : 'any',
    required: Array.isArray(required) && required.includes(name),
    description: isJsonObject(property) ? (stringIn(property, 'description') ?? '') : '',
  }));
}

export interface DescribeOptions {
  /** Path of the REST call of a tool; by default `/mcp/{server}/{tool}`. */
  readonly endpointOf?: ((tool: ViewedTool) => string) | undefined;
}

const restPath = (tool: ViewedTool): string => `/mcp/${tool.server}/${encodeURIComponent(nameOfTool(tool))}`;

/** Body of `POST /meta/describe_tools`: unknown names carry an error, never the others'. Throws ZodError. */
export function describeBody(
  view: ToolView,
  args: unknown,
  { endpointOf = restPath }: DescribeOptions = {},
): JsonObject {
  const tools = describeArguments.parse(args).tool_names.map((name): JsonObject => {
    const tool = findTool(view, name);
    if (tool === undefined) return { tool_name: name, error: unknownToolMessage(view, name) };
    const schema = objectIn(tool.published, 'inputSchema');
    return {
      tool_name: name,
      server_id: tool.server,
      display_name: displayNameOf(tool),
      description: stringIn(tool.published, 'description') ?? '',
      request_body: schema ?? { type: 'object' },
      parameters: parameterRows(schema),
      endpoint: endpointOf(tool),
    };
  });
  return { count: tools.length, tools };
}

/** MCP result of `describe_tools`: the published definitions, without what only REST needs. */
export function describeTools(view: ToolView, args: unknown): JsonObject {
  const parsed = describeArguments.safeParse(args);
  if (!parsed.success) return errorResult(`describe_tools: ${z.prettifyError(parsed.error)}`);
  const tools = parsed.data.tool_names.map((name): JsonObject => {
    const tool = findTool(view, name);
    if (tool === undefined) return { tool_name: name, error: unknownToolMessage(view, name) };
    const { name: _, ...definition } = tool.published;
    return { tool_name: name, ...definition };
  });
  const structuredContent = { count: tools.length, tools };
  return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
}

/** The same for a tool that is not there and one that this caller may not use. */
export function unknownToolMessage(view: ToolView, name: string): string {
  const near = suggestNames(view, name);
  const hint = near.length === 0 ? 'Use search_tools to find tools.' : `Did you mean ${near.join(', ')}?`;
  return `Unknown tool: ${cleanLine(name, 128)}. ${hint}`;
}

/** Body of `GET /meta/stats`, for what this caller may use; tokens are estimates. Costs a walk through all definitions. */
export function statsBody(view: ToolView): JsonObject {
  const tools = view.tools.filter((tool) => mayUse(view, tool));
  return {
    total_tools: tools.length,
    total_servers: new Set(tools.map((tool) => tool.server)).size,
    tokens_of_all_tools: tools.reduce((sum, tool) => sum + estimateTokens(tool.published), 0),
    tokens_in_meta_mode: estimateTokens(metaTools({ count: tools.length })),
  };
}
