import type { z } from 'zod';
import { getOrganization } from '#admin/actor.ts';
import { commandLine } from '#admin/catalog/entry.ts';
import type { importedNoun } from '#admin/contract/catalog.ts';
import type { ParsedInput } from '#admin/contract.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { planClientConfig } from '#admin/imports/client-config.ts';
import { type DocumentKind, readDocument } from '#admin/imports/document.ts';
import { type Answers, fillPlan, openNeeds } from '#admin/imports/fill.ts';
import { type FilledServer, type ImportPlan, isProgramPlan } from '#admin/imports/plan.ts';
import { planServerJson } from '#admin/imports/server-json.ts';
import { checkServer, makeServer, shownCommand } from '#admin/make-server.ts';
import { GatehouseError } from '#core/error.ts';
import { addressGuard } from '#http/address-guard.ts';

type Wish = ParsedInput<'importServers'>;
type Shown = z.output<typeof importedNoun>;

export function importHandlers(deps: AdminDeps): Pick<Handlers, 'importServers'> {
  const { records, guard = addressGuard() } = deps;
  return {
    async importServers(wish, actor) {
      const organization = await getOrganization(records, actor, wish.organization);
      const { kind, plans } = plansIn(await readSource(wish, deps));
      if (kind === 'openapi') {
        if (wish.dryRun) return { kind, servers: [] };
        throw bad('This is an OpenAPI document: `gatehouse openapi add` makes tools of it');
      }
      const chosen = choose(plans, wish);
      if (wish.dryRun) return { kind, servers: chosen.map((plan) => shown(plan, wish, false)) };
      const { consent, allMembers, allowedRoles } = wish;
      const making = { records, guard, actor, organization, consent, access: { allMembers, allowedRoles } };
      // All or none, as far as can be said before.
      const checked = [];
      for (const plan of chosen) checked.push(await checkServer(fillPlan(plan, wish.answers, wish.network), making));
      for (const server of checked) await makeServer(server, making);
      return { kind, servers: chosen.map((plan) => shown(plan, wish, true)) };
    },
  };
}

const bad = (message: string) => new GatehouseError('bad_request', { message });

async function readSource(
  { document, url, registry }: Wish,
  { fetchDocument, registryUrl }: AdminDeps,
): Promise<string> {
  const given = [document, url, registry].filter((one) => one !== undefined);
  if (given.length !== 1) throw bad('Give one of document, url and registry');
  if (document !== undefined) return document;
  if (!fetchDocument) throw bad('Nothing is fetched here: give the document itself');
  if (url !== undefined) return fetchDocument(url);
  const [name = '', version = 'latest'] = (registry ?? '').split('@');
  const base = (registryUrl ?? 'https://registry.modelcontextprotocol.io').replace(/\/+$/, '');
  return fetchDocument(`${base}/v0.1/servers/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`);
}

function plansIn(text: string): { readonly kind: DocumentKind; readonly plans: readonly ImportPlan[] } {
  const { kind, value } = readDocument(text);
  if (kind === 'openapi') return { kind, plans: [] };
  return { kind, plans: kind === 'server.json' ? [planServerJson(value)] : planClientConfig(value) };
}

function choose(plans: readonly ImportPlan[], { servers, as }: Wish): readonly ImportPlan[] {
  const unknown = servers?.find((key) => !plans.some((plan) => plan.key === key));
  if (unknown !== undefined)
    throw bad(`There is no "${unknown}" in it: it has ${plans.map(({ key }) => key).join(', ')}`);
  const chosen = plans.filter(({ key }) => servers?.includes(key) ?? true);
  if (chosen.length === 0) throw bad('There is no server in it');
  if (as === undefined) return chosen;
  const [only, ...more] = chosen;
  if (!only || more.length > 0) throw bad('Another key can be given to one server only: choose it');
  return [{ ...only, key: as }];
}

function shown(plan: ImportPlan, { answers, network }: Wish, made: boolean): Shown {
  const { key, title, description, version, way, needs, warnings, problems } = plan;
  const filled = tryFill(plan, answers, network);
  const problem = 'problem' in filled ? [filled.problem] : [];
  const transport = 'problem' in filled ? undefined : filled.transport;
  const command = transport ? shownCommand(transport) : undefined;
  const isRun = isProgramPlan(way);
  return {
    ...{ key, title, description: description ?? null, version: version ?? null, kind: way?.kind ?? null, made },
    url: transport && 'url' in transport ? (transport.url ?? null) : way && !isRun ? way.url : null,
    header: way && !isRun ? (way.header?.name ?? null) : null,
    command: command ?? (isRun ? plannedCommand(way) : null),
    environment: transport && 'env' in transport ? transport.env : {},
    needs: needs.map(({ given, default: fallback, description: about, ...need }) => ({
      ...need,
      choices: [...need.choices],
      description: about ?? null,
      default: need.secret ? null : (fallback ?? null),
      given: given !== undefined || Object.hasOwn(answers, need.name),
    })),
    warnings: [
      ...warnings,
      ...(isRun && network !== 'full' ? ['It gets no network: --network full changes that'] : []),
    ],
    problems: [...problems, ...(problems.length === 0 && openNeeds(plan, answers).length === 0 ? problem : [])],
  };
}

const plannedCommand = (way: Parameters<typeof isProgramPlan>[0]): string | null =>
  !isProgramPlan(way)
    ? null
    : way.kind === 'container'
      ? commandLine({ kind: 'container', image: way.image, args: way.args })
      : commandLine({ kind: 'stdio', command: way.command, args: way.args });

function tryFill(
  plan: ImportPlan,
  answers: Answers,
  network: Wish['network'],
): FilledServer | { readonly problem: string } {
  try {
    return fillPlan(plan, answers, network);
  } catch (thrown) {
    if (thrown instanceof GatehouseError && thrown.code === 'bad_request') return { problem: thrown.message };
    throw thrown;
  }
}
