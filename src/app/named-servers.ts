/** Servers by name (REQUIREMENTS S1.33, S1.34): what their variables say becomes rows, after gatehouse.yaml had its say. */
import { applyConfig } from '#admin/apply.ts';
import { demoOrganization } from '#admin/demo.ts';
import { defineNamed, type NamedWish } from '#admin/named-servers.ts';
import type { AdminRecords, OrganizationRow, ServerRow } from '#admin/records.ts';
import { openProgramFinder } from '#admin/server-programs.ts';
import type { Config } from '#config/load.ts';
import { settingError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { otherSpelling } from '#core/mcp-path.ts';
import { productRoot } from './version.ts';

interface NamedDeps {
  readonly records: AdminRecords;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Throws GatehouseError `setting` for a program that isn't installed, or where it isn't clear whose servers they are. */
export async function applyNamed(config: Config, deps: NamedDeps): Promise<void> {
  const wishes = config.named.filter(({ enabled }) => enabled !== undefined);
  if (wishes.length === 0) return;
  const organization = await organizationOf(config, deps.records);
  for (const wish of wishes) await applyWish(wish, organization, { ...deps, config });
}

/** The first one of gatehouse.yaml; without one there, the only one that there is, or one named `default`. */
async function organizationOf(config: Config, records: AdminRecords): Promise<OrganizationRow> {
  const named = config.organizations[0]?.slug ?? (config.demo ? demoOrganization : undefined);
  const known = await records.listOrganizations();
  const sole = known.length === 1 ? known[0] : undefined;
  const found = named === undefined ? sole : await records.findOrganization(named);
  if (found) return found;
  if (known.length === 0)
    return records.insertOrganization({ slug: 'default', name: 'Default', externalId: undefined });
  const common = await records.findOrganization('default');
  if (common) return common;
  throw settingError('MCP_…_ENABLED: it is not clear for which organization: list it in gatehouse.yaml, first');
}

type WishDeps = NamedDeps & { readonly config: Config };

async function applyWish(wish: NamedWish, { id: org, slug }: OrganizationRow, deps: WishDeps): Promise<void> {
  const { records, config, log } = deps;
  const server = wish.enabled ? await ensureServer(wish, deps) : await findOther(wish, deps);
  if (!server) return;
  // The file's own word on who may use it stands.
  if (config.enablements.some((one) => one.server === server.key && one.organization === slug)) return;
  const found = await records.findEnablement(org, server.id);
  if ((found?.enabled ?? false) === wish.enabled) return;
  const values = { enabled: wish.enabled === true, allMembers: found?.allMembers ?? true };
  await records.putEnablement(org, server.id, { ...values, allowedRoles: found?.allowedRoles ?? [] });
  log.info({ server: server.key, organization: slug, enabled: values.enabled }, 'a variable switched a server');
}

/** One that the file or the API defined under the name, with or without `mcp-`, or the one that comes along. */
async function ensureServer(wish: NamedWish, deps: WishDeps): Promise<ServerRow | undefined> {
  const { records, config, env, log } = deps;
  const given = await findOther(wish, deps);
  const isOurs = given?.key === wish.name && given.managedBy === 'file' && !isInFile(config, given.key);
  if (given && !isOurs) return given;
  const find = openProgramFinder({ dataDir: config.dataDir, path: env.PATH, root: productRoot });
  const isolated = config.runner.sandbox !== 'none' && !config.demo;
  const wanted = defineNamed(wish, { find, dataDir: config.dataDir, isolated });
  if (!wanted) return undefined;
  const nothing = { organizations: [], collections: [], enablements: [] };
  const { changed } = await applyConfig(records, { ...nothing, servers: [{ ...wanted, trusted: false }] });
  if (changed.length > 0)
    log.info({ server: wanted.key, transport: wanted.transport.kind }, 'a variable defined a server');
  return findOther(wish, deps);
}

const isInFile = ({ servers }: Config, key: string): boolean => servers.some((one) => one.key === key);

async function findOther({ name }: NamedWish, { records }: WishDeps): Promise<ServerRow | undefined> {
  const shared = (await records.listServers()).filter(({ org }) => org === undefined);
  return shared.find(({ key }) => key === name) ?? shared.find(({ key }) => key === otherSpelling(name));
}
