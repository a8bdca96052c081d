/** A server that the organization has not enabled: what its caller is told, and what the log (DESIGN ruling 3). */
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { OrganizationSnapshot, ServerDefinition } from '#records/snapshot.ts';
import { type Call, requestIdOf } from './call.ts';

export const notEnabled = ({ key }: Pick<ServerDefinition, 'key'>): GatehouseError =>
  new GatehouseError('not_enabled', { data: `Service '${key}' is not enabled for your organization` });

export function logNotEnabled(log: Log, call: Call, organization: OrganizationSnapshot | undefined): void {
  const { org, server } = call;
  const servers = [...(organization?.endpoints.values() ?? [])].filter(({ kind }) => kind === 'server');
  const enabled = servers.filter(({ bindings }) => bindings.some((one) => one.server.enabled));
  log.warn(
    { requestId: requestIdOf(call), org, requestedService: server, enabledServices: enabled.map(({ name }) => name) },
    `Access denied for service: ${server}`,
  );
}
