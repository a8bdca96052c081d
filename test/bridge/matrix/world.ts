/** One gateway in front of all servers of the matrix. */
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import type { Address } from './clients.ts';
import { columns, type MatrixServers, startMatrixServers } from './servers.ts';

export interface MatrixWorld {
  readonly gateway: RunningGateway;
  readonly servers: MatrixServers;
  readonly key: string;
  address(server: string, key?: string): Address;
  close(): Promise<void>;
}

export async function startMatrixWorld(): Promise<MatrixWorld> {
  const servers = await startMatrixServers();
  const gateway = await startGateway({ configYaml: yamlOf(servers), quiet: true });
  const key = await createKey(gateway);
  return {
    gateway,
    servers,
    key,
    address: (server, as = key) => ({ url: `${gateway.url}/demo/mcp/${server}`, key: as }),
    async close() {
      await gateway.stop();
      await servers.close();
    },
  };
}

const all = 10_000_000;
const yamlOf = ({ yaml }: MatrixServers) => `
organizations: [{ slug: demo, name: Demo }]
servers:
${yaml}
collections:
  - { organization: demo, name: pair, allowedRoles: '*', bindings: [{ server: http }, { server: modern }] }
enablements:
${columns.map(({ key }) => `  - { organization: demo, server: ${key}, allMembers: true }`).join('\n')}
limits:
  principal: { requestsPerMinute: ${all}, concurrentCalls: 1000, streams: 1000 }
  organization: { requestsPerMinute: ${all}, concurrentCalls: 1000, streams: 1000 }
egress: { allow: ['127.0.0.1'] }
`;
