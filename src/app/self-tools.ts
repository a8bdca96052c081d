/** The lists of tools that somebody would be given, whatever their endpoint shows of them: from what is merged already. */
import type { MyTool } from '#admin/me-nouns.ts';
import type { MyToolList, Self } from '#admin/self.ts';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { candidates, viewOf } from '#gateway/catalog/view.ts';
import type { Method } from '#gateway/engine/methods.ts';
import { listTools, type ServerTools } from '#gateway/rest/listing.ts';
import { endpointsIn } from '#gateway/rest/server-list.ts';
import type { Exchange } from './self-call.ts';

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'gatehouse-portal', version: '1' },
};

export async function listSelfTools(
  exchange: (exchange: Exchange) => Promise<unknown>,
  self: Self,
  endpoint: string,
): Promise<MyToolList> {
  let lists: readonly ServerTools[] | undefined;
  let refused: GatehouseError | undefined;
  const list: Method = async (asking, _params, deps) => {
    const all = endpointsIn(asking.view);
    lists = await Promise.all(all.map((one) => listTools(asking, { endpoint: one, which: 'all' }, deps)));
    return { resultType: 'complete' };
  };
  await exchange({
    ...{ self, endpoint, method: 'POST', headers: ['content-type', 'application/json', 'accept', 'application/json'] },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } },
    facade: {
      method: 'POST',
      translate: (body) => body,
      answers: { 'tools/list': list },
      refuse(error) {
        refused = error;
        return { status: error.row.http, body: '{}' };
      },
    },
  });
  if (refused || !lists) throw refused ?? new GatehouseError('internal');
  const named = (which: 'missing' | 'stale') => [
    ...new Set((lists ?? []).flatMap((one) => (one[which].length === 0 ? [] : [one.endpoint.name]))),
  ];
  return { tools: lists.flatMap(shownTools), missing: named('missing'), stale: named('stale') };
}

const shownTools = (list: ServerTools): readonly MyTool[] => list.tools.map((tool) => shown(list, tool));

function shown({ endpoint }: ServerTools, tool: JsonObject): MyTool {
  const name = stringIn(tool, 'name') ?? '';
  const annotations = objectIn(tool, 'annotations') ?? {};
  const [found] = candidates(viewOf(endpoint), name);
  return {
    ...{ endpoint: endpoint.name, name, server: found?.part.binding.server.key ?? null },
    title: stringIn(tool, 'title') ?? stringIn(annotations, 'title') ?? null,
    description: stringIn(tool, 'description') ?? '',
    annotations: { ...annotations },
    inputSchema: { ...objectIn(tool, 'inputSchema') },
    outputSchema: objectIn(tool, 'outputSchema') ? { ...objectIn(tool, 'outputSchema') } : null,
  };
}
