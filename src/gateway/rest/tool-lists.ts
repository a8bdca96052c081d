/** Lists of tools in the façade's shapes (REQUIREMENTS S3.19 to S3.21). */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { formatMcpPath, type McpPath } from '#core/mcp-path.ts';
import type { RestWish } from '#core/rest-path.ts';
import { type DocumentTool, openApiDocument } from './document.ts';
import type { ServerTools } from './listing.ts';
import { titleOf } from './server-list.ts';

const nameOf = (tool: JsonObject): string => stringIn(tool, 'name') ?? '';

/** `{server}_{tool}`: no two servers have the same. */
export const fullName = ({ endpoint }: ServerTools, tool: JsonObject) => `${endpoint.name}_${nameOf(tool)}`;

export function callPath(organization: string | undefined, server: string, tool: string): string {
  const name = encodeURIComponent(tool);
  if (organization === undefined) return `/api/servers/${server}/tools/${name}`;
  return `${formatMcpPath({ organization, name: server })}/${name}`;
}

function described(tool: JsonObject) {
  const title = stringIn(tool, 'title') ?? stringIn(objectIn(tool, 'annotations'), 'title') ?? nameOf(tool);
  return { display_name: title, description: stringIn(tool, 'description') ?? '' };
}

export function allToolsOf(lists: readonly ServerTools[], { organization }: McpPath): JsonObject {
  const tools = lists.flatMap((list) =>
    list.tools.map((tool) => ({
      tool_name: fullName(list, tool),
      server_id: list.endpoint.name,
      ...described(tool),
      endpoint: callPath(organization, list.endpoint.name, nameOf(tool)),
    })),
  );
  return { count: tools.length, tools, ...gaps(lists) };
}

export function toolsOf(list: ServerTools | undefined, { organization, name = '' }: McpPath): JsonObject {
  const tools = (list?.tools ?? []).map((tool) => ({
    name: nameOf(tool),
    ...described(tool),
    input_schema: objectIn(tool, 'inputSchema') ?? {},
    ...(objectIn(tool, 'outputSchema') && { output_schema: objectIn(tool, 'outputSchema') ?? {} }),
    endpoint: callPath(organization, name, nameOf(tool)),
  }));
  return {
    server_id: list?.endpoint.name ?? name,
    name: list ? titleOf(list.endpoint) : name,
    total_tools: tools.length,
    tools,
    ...gaps(list ? [list] : []),
  };
}

/** Servers that never said what they have, and those whose list is old: the answer may be more tomorrow. */
function gaps(lists: readonly ServerTools[]): JsonObject {
  const of = (which: 'missing' | 'stale') => {
    const names = lists.flatMap((list) => (list[which].length === 0 ? [] : [list.endpoint.name]));
    return names.length === 0 ? {} : { [which]: names };
  };
  return { ...of('missing'), ...of('stale') };
}

type DocumentWish = Extract<RestWish, { kind: 'document' }>;

export function documentFor(
  lists: readonly ServerTools[],
  { wish, baseUrl }: { readonly wish: DocumentWish; readonly baseUrl: string },
): JsonObject {
  const url = baseUrl + wish.base;
  const { organization, name } = wish.path;
  const [only] = lists;
  const { missing, stale } = gaps(lists);
  const marks = { ...(missing && { 'x-missing': missing }), ...(stale && { 'x-stale': stale }) };
  if (name !== undefined && only) {
    const title = titleOf(only.endpoint);
    const head = { url, title, description: `Tools of ${title}` };
    const tools = only.tools.map((tool) => operation(only, tool, { path: '', olderPath: undefined }));
    return { ...openApiDocument(head, tools), ...marks };
  }
  const folder = wish.base === '' ? formatMcpPath({ organization, name: undefined }) : '';
  const tools = lists.flatMap((list) => {
    const { name: server } = list.endpoint;
    // The older form divides at the first underscore, and there is one organization in it: the caller's own.
    const hasOlder = organization === undefined && /^[a-z0-9-]+$/.test(server);
    return list.tools.map((tool) =>
      operation(list, tool, { path: `${folder}/${server}`, olderPath: hasOlder ? `${folder}/${server}_` : undefined }),
    );
  });
  const description = 'The tools that you may use';
  return { ...openApiDocument({ url, description }, tools), ...marks };
}

function operation(
  list: ServerTools,
  tool: JsonObject,
  { path, olderPath }: { readonly path: string; readonly olderPath: string | undefined },
): DocumentTool {
  const name = encodeURIComponent(nameOf(tool));
  return {
    path: `${path}/${name}`,
    // It stands where names of collections do, which have nothing encoded.
    olderPath: olderPath === undefined || !/^[A-Za-z0-9._-]+$/.test(name) ? undefined : olderPath + name,
    name: path === '' ? nameOf(tool) : fullName(list, tool),
    server: titleOf(list.endpoint),
    tool,
  };
}
