import { enforcedFilters, ensureRagieServer } from '#admin/ragie.ts';
import type { AdminRecords } from '#admin/records.ts';
import { checkName } from '#admin/routes/servers.ts';
import { checkEncryptionKey } from '#config/check.ts';
import type { Config } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { openRecords } from './open-records.ts';

export interface RagieCollection {
  readonly name: string;
  readonly organizationId: string;
  readonly partition: string;
  readonly ragieApiKey: string;
  readonly allowedRoles: '*' | readonly string[];
  readonly filters: Readonly<Record<string, unknown>> | undefined;
}

export interface CreatedCollection extends Omit<RagieCollection, 'ragieApiKey'> {
  readonly id: string;
  readonly endpoint: string;
}

/** The organization and the server are made when missing. Throws `conflict`, `bad_request`, `setting`. */
export async function createRagieCollection(config: Config, wanted: RagieCollection): Promise<CreatedCollection> {
  const rootSecret = config.secrets.encryptionKey ?? new Secret('');
  checkEncryptionKey(rootSecret.reveal());
  checkName(wanted.name);
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(wanted.name)) {
    throw new GatehouseError('bad_request', { message: 'The name must be letters, digits, ".", "_" and "-"' });
  }
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(wanted.organizationId)) {
    throw new GatehouseError('bad_request', { message: 'The organization ID must be letters, digits, "_" and "-"' });
  }
  const { records, close } = await openRecords(config, silentLog);
  try {
    return await create(records, wanted, config.ragieBaseUrl);
  } finally {
    await close();
  }
}

async function create(records: AdminRecords, wanted: RagieCollection, baseUrl: string): Promise<CreatedCollection> {
  const { ragieApiKey, ...shown } = wanted;
  const { name, partition, allowedRoles, filters, organizationId } = shown;
  const org = await records.ensureOrganization(organizationId);
  const server = await ensureRagieServer(records, baseUrl, true);
  if (!server) throw new GatehouseError('internal');
  if (!(await records.findEnablement(org, server.id))) {
    await records.putEnablement(org, server.id, { enabled: true, allMembers: false, allowedRoles: [] });
  }
  const credential = new Secret(ragieApiKey);
  const binding = { server: server.id, partition, credential, header: undefined, enforced: enforcedFilters(filters) };
  const { id } = await records.insertCollection(org, {
    name,
    allowedRoles,
    bindings: [binding],
    managedBy: 'api',
  });
  return { ...shown, id, endpoint: `POST /${organizationId}/mcp/${name}` };
}
