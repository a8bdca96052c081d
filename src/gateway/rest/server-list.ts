/** What a caller may use, server by server (REQUIREMENTS S3.18, S3.21). A collection is a server like any other here. */
import type { JsonObject } from '#core/json.ts';
import { formatMcpPath } from '#core/mcp-path.ts';
import type { View } from '#gateway/catalog/view.ts';
import type { Endpoint } from '#records/snapshot.ts';

/** REQUIREMENTS S3.23. */
const tiers = {
  http: 'mcp_http',
  sse: 'sse',
  stdio: 'stdio',
  process: 'mcp_http',
  container: 'stdio',
  openapi: 'http',
  builtin: 'local',
} as const;

const usage = {
  list_servers: 'GET /api/servers',
  list_tools: 'GET /api/servers/{server}/tools',
  call_tool: 'POST /api/servers/{server}/tools/{tool} with the arguments as a JSON object',
  openapi: 'GET /openapi.json, or GET /mcp/{server}/openapi.json for one server',
  mcp: 'POST /mcp/{server} (Streamable HTTP)',
};

/** The endpoints that a view is made of, in its order. */
export function endpointsIn({ endpoint, parts }: View): readonly Endpoint[] {
  if (endpoint.kind !== 'everything') return [endpoint];
  const open = new Set(parts.map(({ binding }) => binding));
  return (endpoint.members ?? []).filter(({ bindings }) => bindings.some((binding) => open.has(binding)));
}

export function serverList(endpoints: readonly Endpoint[], organization: string | undefined): JsonObject {
  const servers = endpoints.map((endpoint) => listed(endpoint, organization));
  const by_tier: Record<string, number> = {};
  for (const { tier } of servers) by_tier[tier] = (by_tier[tier] ?? 0) + 1;
  const list = { total_servers: servers.length, servers, by_tier, usage };
  return servers.length > 0 ? list : { ...list, message: 'No server is open to you: ask an administrator for access' };
}

export const noServers = (message: string) => ({ total_servers: 0, servers: [], by_tier: {}, usage, message });

export function tenantList(endpoints: readonly Endpoint[]) {
  const tenants = endpoints.map((endpoint) => ({ tenant_id: endpoint.name, name: titleOf(endpoint), enabled: true }));
  return { count: tenants.length, tenants };
}

export function titleOf({ name, bindings, kind }: Endpoint): string {
  const [only] = bindings;
  return kind === 'server' && only ? only.server.title : name;
}

function listed(endpoint: Endpoint, organization: string | undefined) {
  const { name, bindings } = endpoint;
  const [only] = bindings;
  const path = formatMcpPath({ organization, name });
  return {
    id: name,
    name: titleOf(endpoint),
    tier: only && bindings.length === 1 ? tiers[only.server.transport.kind] : tiers.http,
    description: endpoint.kind === 'server' ? titleOf(endpoint) : bindings.map(({ server }) => server.title).join(', '),
    enabled: true,
    endpoint: path,
    tools_endpoint: organization === undefined ? `/api/servers/${name}/tools` : path,
  };
}
