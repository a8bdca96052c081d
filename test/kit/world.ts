/** One gateway process in front of one recording upstream, as most black-box tests want it. */
import { createKey, type GatewayOptions, type RunningGateway, startGateway } from './gateway.ts';
import { bearer } from './http-client.ts';
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts';

export const upstreamSecret = 'tnt_upstream-secret-of-the-collection';

export interface World {
  readonly gateway: RunningGateway;
  readonly upstream: RecordingUpstream;
  /** A key of organization `demo` without roles. */
  readonly key: string;
  readonly auth: { readonly authorization: string };
  readonly port: number;
  /** `/demo/mcp/{name}` of the gateway. */
  url(name: string): string;
  close(): Promise<void>;
}

export interface WorldOptions extends Partial<GatewayOptions> {
  /** Appended to gatehouse.yaml. */
  readonly extraYaml?: string;
  /** Items of its `collections`. */
  readonly extraCollections?: string;
  /** Where the servers of the configuration are; default the recording upstream itself. */
  readonly upstreamUrl?: string;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const upstream = await startRecordingUpstream();
  const gateway = await startGateway({
    ...options,
    configYaml:
      worldYaml(options.upstreamUrl ?? upstream.url, options.extraCollections ?? '') + (options.extraYaml ?? ''),
    env: { UPSTREAM_KEY: upstreamSecret, ...options.env },
  });
  const key = await createKey(gateway);
  return {
    gateway,
    upstream,
    key,
    auth: bearer(key),
    port: Number(new URL(gateway.url).port),
    url: (name) => `${gateway.url}/demo/mcp/${name}`,
    async close() {
      await gateway.stop();
      await upstream.close();
    },
  };
}

/**
 * `filtered`: one tool under an enforced filter, a partition and a credential; `open`: nothing of that; `staff` and
 * `nobody`: roles. The server `unused` is one that the organization has not enabled.
 */
const worldYaml = (upstream: string, collections: string) => `
organizations:
  - { slug: demo, name: Demo, externalId: org_123 }
  - { slug: other, name: Other }
servers:
  - { key: ragie, title: Ragie, transport: { kind: http, url: '${upstream}/mcp/{partition}/' } }
  - { key: plain, title: Plain, transport: { kind: http, url: '${upstream}/mcp' } }
  - { key: unused, title: Unused, transport: { kind: http, url: '${upstream}/unused' } }
collections:
  - organization: demo
    name: filtered
    allowedRoles: '*'
    bindings:
      - server: ragie
        partition: soc2
        credential: \${UPSTREAM_KEY}
        enforced: { retrieve: { filter: { team: red, level: 3 } } }
  - { organization: demo, name: open, allowedRoles: '*', bindings: [{ server: plain }] }
  - { organization: demo, name: staff, allowedRoles: [staff], bindings: [{ server: plain }] }
  - { organization: demo, name: nobody, allowedRoles: [], bindings: [{ server: plain }] }
  - { organization: other, name: secret, allowedRoles: '*', bindings: [{ server: plain }] }
${collections}enablements:
  - { organization: demo, server: ragie, allMembers: true }
  - { organization: demo, server: plain, allMembers: true }
  - { organization: other, server: plain, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;
