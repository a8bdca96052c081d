/** What the suite is run against: the gateway in front of the fixture, and a shim that brings the key the suite cannot send. */
import { createKey, type RunningGateway, startGateway } from './gateway.ts';
import { startShim } from './shim.ts';

export interface Subject {
  readonly url: string;
  readonly gateway: RunningGateway;
  close(): Promise<void>;
}

export async function startSubject(upstreamUrl: string, kind: 'http' | 'sse' = 'http'): Promise<Subject> {
  const gateway = await startGateway({ configYaml: subjectConfig(upstreamUrl, kind) });
  const key = await createKey(gateway);
  const shim = await startShim(`${gateway.url}/demo/mcp/everything`, { authorization: `Bearer ${key}` });
  return {
    url: shim.url,
    gateway,
    async close() {
      await shim.close();
      await gateway.stop();
    },
  };
}

/** One binding, so that tools keep the names the suite calls. */
export const subjectConfig = (upstreamUrl: string, kind: 'http' | 'sse' = 'http') => `
organizations:
  - { slug: demo, name: Demo }
servers:
  - key: fixture
    transport: { kind: ${kind}, url: '${upstreamUrl}' }
collections:
  - organization: demo
    name: everything
    allowedRoles: '*'
    bindings: [{ server: fixture }]
enablements:
  - { organization: demo, server: fixture, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;
