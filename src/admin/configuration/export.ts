/** Everything that gatehouse.yaml can say of a gateway, as it stands: credentials as references, secrets never. */

import { isProgram } from '#admin/commands.ts';
import type { AdminRecords, CollectionRow, OrganizationRow, ServerRow } from '#admin/records.ts';
import { secretName } from '#admin/transport-nouns.ts';
import type { Json } from '#core/json.ts';
import { looksSecret } from '#core/looks-secret.ts';
import { listEnablements } from '#records/enablements.ts';
import { listVariables } from '#records/server-variables.ts';
import { exportAccess } from './export-access.ts';
import { openNames, type References } from './references.ts';

/** Plain values, in the order in which people read them; undefined is left out. */
export type Item = Readonly<Record<string, unknown>>;

export interface Exported {
  /** The structured part of gatehouse.yaml. */
  readonly document: Readonly<Record<string, Json>>;
  /** References that stand in the place of secrets. */
  readonly variables: readonly { readonly name: string; readonly of: string }[];
  /** What the file has no words for. */
  readonly leftOut: readonly string[];
}

export interface Exporting {
  readonly records: AdminRecords;
  readonly references: References;
  readonly leftOut: string[];
}

export async function exportConfiguration(records: AdminRecords): Promise<Exported> {
  const references = openNames();
  const leftOut: string[] = [];
  const exporting: Exporting = { records, references, leftOut };
  const organizations = [...(await records.listOrganizations())].sort((a, b) => (a.slug < b.slug ? -1 : 1));
  const platform = await records.listServers();
  const parts: Awaited<ReturnType<typeof exportOrganization>>[] = [];
  for (const organization of organizations) parts.push(await exportOrganization(exporting, organization, platform));
  const all = (name: keyof (typeof parts)[number]) => parts.flatMap((part) => part[name]);
  const names = await variableNames(records, platform);
  const document = {
    organizations: organizations.map(({ slug, name, externalId, domain }) => ({ slug, name, externalId, domain })),
    servers: platform.flatMap((row) => exportServer(exporting, row, names.get(row.id) ?? [])),
    collections: all('collections'),
    credentials: all('credentials'),
    enablements: all('enablements'),
    groups: all('groups'),
    grants: all('grants'),
    policies: all('policies'),
    limits: { rules: all('limits') },
  };
  return { document: plain(document, exporting) as Exported['document'], variables: references.list(), leftOut };
}

async function exportOrganization(exporting: Exporting, organization: OrganizationRow, platform: readonly ServerRow[]) {
  const { records, leftOut } = exporting;
  const { slug, id } = organization;
  for (const { key, org } of await records.listServersOf(id))
    if (org !== undefined) leftOut.push(`server ${slug}/${key}: it is the organization's own`);
  const collections = (await records.listCollections(id)).map((row) => exportCollection(exporting, slug, row));
  const keys = new Map<string, string>(platform.map((row) => [row.id, row.key]));
  const enablements = (await records.within(id, listEnablements)).flatMap((row): Item[] => {
    const key = keys.get(row.server);
    if (key === undefined) return [];
    if ((row.blockedTools ?? []).length > 0) leftOut.push(`switched-off tools of ${slug}/${key}`);
    if (!row.enabled) leftOut.push(`enablement ${slug}/${key}: it is switched off`);
    if (!row.enabled) return [];
    const roles = row.allowedRoles.length > 0 ? { allowedRoles: row.allowedRoles } : {};
    return [{ organization: slug, server: key, ...(row.allMembers ? { allMembers: true } : roles) }];
  });
  const byServer = (a: Item, b: Item) => (String(a.server) < String(b.server) ? -1 : 1);
  return { collections, enablements: enablements.sort(byServer), ...(await exportAccess(exporting, organization)) };
}

/** Of servers that are run here: sealed, so only their names are known. */
async function variableNames(records: AdminRecords, servers: readonly ServerRow[]) {
  const names = new Map<ServerRow['id'], readonly string[]>();
  await records.asPlatform(async (scope) => {
    for (const { id, transport } of servers)
      if (isProgram(transport))
        names.set(
          id,
          (await listVariables(scope, id)).map(({ name }) => name),
        );
  });
  return names;
}

function exportServer(
  { references, leftOut }: Exporting,
  row: ServerRow,
  variables: readonly string[],
): readonly Item[] {
  const { key, title, transport: given, auth, trusted, keyName, port, managedBy, active, totalTimeoutMs } = row;
  if (managedBy === 'catalog' || managedBy === 'catalog-off') {
    leftOut.push(`server ${key}: the catalogue has it, by its variable`);
    return [];
  }
  if (!active) leftOut.push(`server ${key}: that it is switched off`);
  if (given.kind === 'openapi') leftOut.push(`server ${key}: its OpenAPI document`);
  if (given.kind === 'openapi') return [];
  const { tls, ...transport } = 'tls' in given ? given : { ...given, tls: undefined };
  const env = 'env' in transport ? transport.env : undefined;
  const hidden = Object.keys(env ?? {}).filter((name) => secretName.test(name));
  if (hidden.length > 0) leftOut.push(`server ${key}: its variables ${hidden.join(', ')}`);
  const shown = env && Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.includes(name)));
  const clientSecret = auth?.secret && references.of([key, 'client', 'secret'], `server ${key}: auth.clientSecret`);
  return [
    {
      key,
      title: title === key ? undefined : title,
      transport: shown ? { ...transport, env: shown } : transport,
      auth: auth && { ...auth.auth, clientSecret },
      trusted: trusted || undefined,
      keyName: keyName || undefined,
      tls,
      port,
      totalTimeoutMs,
      variables:
        variables.length === 0
          ? undefined
          : Object.fromEntries(variables.map((name) => [name, references.of([key, name], `server ${key}: ${name}`)])),
    },
  ];
}

function exportCollection({ references }: Exporting, slug: string, row: CollectionRow): Item {
  const { name, allowedRoles, listing, bindings } = row;
  return {
    organization: slug,
    name,
    allowedRoles,
    ...listing,
    bindings: bindings.map(({ server, partition, hasCredential, header, enforced, prefix, tools }) => ({
      server,
      partition,
      credential: hasCredential
        ? references.of([slug, name, server, 'key'], `collection ${slug}/${name}: key for ${server}`)
        : undefined,
      header: header && isUsual(header) ? undefined : header,
      enforced: Object.keys(enforced).length > 0 ? enforced : undefined,
      prefix,
      tools: Object.keys(tools).length > 0 ? tools : undefined,
    })),
  };
}

export const isUsual = ({ name, template }: { readonly name: string; readonly template: string }): boolean =>
  name === 'authorization' && template === 'Bearer {}';

/** As YAML has it: nothing undefined, `${` written so that it stays text, and nothing that can only be a secret. */
function plain(value: unknown, exporting: Exporting, path: readonly string[] = []): Json {
  if (Array.isArray(value)) return value.map((item) => plain(item, exporting, [...path, nameOf(item)]));
  if (typeof value === 'object' && value !== null) {
    const known = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return Object.fromEntries(known.map(([name, inner]) => [name, plain(inner, exporting, [...path, name])]));
  }
  if (typeof value !== 'string') return typeof value === 'number' || typeof value === 'boolean' ? value : null;
  if (exporting.references.has(value)) return value;
  if (looksSecret(value)) return exporting.references.of(path.slice(1), path.join('.'));
  return value.replaceAll('${', '$${');
}

function nameOf(item: unknown): string {
  if (typeof item !== 'object' || item === null) return '';
  const { key, name, slug } = item as Readonly<Record<string, unknown>>;
  return [key, name, slug].find((text): text is string => typeof text === 'string') ?? '';
}
