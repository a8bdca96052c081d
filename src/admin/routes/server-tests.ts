import { type Actor, getOrganization } from '#admin/actor.ts';
import type { ServerAsking } from '#admin/asking.ts';
import { checkDefinition } from '#admin/commands.ts';
import type { OwnHealth } from '#admin/contract/server-tests.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject } from '#core/json.ts';
import { Secret } from '#core/secret.ts';
import { addressGuard } from '#http/address-guard.ts';
import { checkTarget } from '#http/check-target.ts';
import { asJson } from '#mcp/shape/canonical-json.ts';
import { publishTool } from '#mcp/shape/publish.ts';
import { parseEnforced } from '#records/columns.ts';
import { listEnablements } from '#records/enablements.ts';
import { parseToolShaping } from '#records/tool-shaping.ts';
import { shownHealth } from './server-health.ts';

type Names =
  | 'probeServer'
  | 'probeOrganizationServer'
  | 'getServerTools'
  | 'retryServer'
  | 'listOrganizationHealth'
  | 'previewTools';

export function serverTestHandlers(deps: AdminDeps): Pick<Handlers, Names> {
  const { records, guard = addressGuard() } = deps;
  const asking = () => askingOf(deps);
  const secret = (value: string | undefined) => (value === undefined ? undefined : new Secret(value));
  const saved = async (
    input: { organization: string; server: string; collection?: string | undefined },
    actor: Actor,
  ) => {
    const { id: org } = await getOrganization(records, actor, input.organization);
    const userId = actor.kind === 'key' ? undefined : actor.userId;
    return asking().greetSaved({ org, server: input.server, collection: input.collection, userId });
  };
  return {
    async probeServer({ transport, credential, header, partition }, actor) {
      checkDefinition(actor, transport);
      const wish = { key: 'probe', transport, org: undefined, header, partition, credential: secret(credential) };
      return asking().greetNew(wish);
    },
    async probeOrganizationServer({ organization: ref, transport, credential, header, partition }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      if ('url' in transport && transport.url !== undefined) await checkTarget(guard, transport.url);
      for (const url of 'urls' in transport ? (transport.urls ?? []) : []) await checkTarget(guard, url);
      return asking().greetNew({ key: 'probe', transport, org, header, partition, credential: secret(credential) });
    },
    getServerTools: saved,
    retryServer: saved,
    async listOrganizationHealth({ organization: ref, server }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const on = new Set(
        (await records.within(organization.id, listEnablements)).map((enablement) => String(enablement.server)),
      );
      const rows = (await records.listServersOf(organization.id)).filter(
        ({ id, key, org }) =>
          (org !== undefined || on.has(id) || actor.kind === 'platform') && (server === undefined || key === server),
      );
      const known = new Map((deps.serverFigures?.() ?? []).map((one) => [one.id, one]));
      return {
        items: rows.map((row): OwnHealth => {
          const figures = known.get(row.id);
          const { organization: _, refused, ...health } = shownHealth(row, figures);
          const own = figures?.refused.find(({ org }) => org === organization.id);
          // Whether it is well here is not whether it is for others.
          const state = own ? 'failing' : refused.length > 0 && health.state === 'degraded' ? 'well' : health.state;
          const retryAt = own ? new Date(own.retryAt).toISOString() : null;
          return { ...health, title: row.title, state, retryAt };
        }),
      };
    },
    async previewTools({ organization: ref, definitions, enforced, tools }, actor) {
      await getOrganization(records, actor, ref);
      const shape = { shaping: parseToolShaping(tools), enforced: parseEnforced(enforced) };
      const items = definitions.flatMap((given) => {
        const tool = asJson(given);
        if (!isJsonObject(tool) || typeof tool.name !== 'string') return [];
        return [{ tool: tool.name, published: publishTool(tool, shape) ?? null }];
      });
      const count = deps.asking?.estimateTokens;
      const tokens = items.reduce((sum, { published }) => sum + (published && count ? count(published) : 0), 0);
      return {
        items: items.map(({ tool, published }) => ({ tool, published: published && { ...published } })),
        tokens,
      };
    },
  };
}

function askingOf({ asking }: AdminDeps): ServerAsking {
  if (asking) return asking;
  throw new GatehouseError('bad_request', { message: 'No gateway runs here that could ask a server: start it first' });
}
