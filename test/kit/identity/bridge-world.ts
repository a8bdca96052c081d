/** A gateway process, in bridge mode unless said, in front of the emulated Entra ID, which it reaches by its real name. */
import { openEgress } from '#http/egress.ts';
import { type GatewayOptions, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { type FakeEntra, type FakeEntraOptions, startFakeEntra } from './fake-entra.ts';
import { openRealNames, type RealNames } from './real-names.ts';

export interface BridgeWorld {
  readonly entra: FakeEntra;
  readonly names: RealNames;
  readonly gateway: RunningGateway;
  readonly upstream: RecordingUpstream;
  /** As the gateway calls itself: by the name localhost. */
  readonly url: string;
  /** A browser: requests go to the gateway and to Entra, redirects are answers. */
  readonly fetch: typeof globalThis.fetch;
  close(): Promise<void>;
}

export interface BridgeWorldOptions extends Partial<GatewayOptions> {
  readonly entra?: FakeEntraOptions;
  /** Appended to gatehouse.yaml: an `identity` entry of kind entra counts instead of the variables. */
  readonly extraYaml?: string;
}

export async function startBridgeWorld({
  entra: options,
  extraYaml = '',
  ...given
}: BridgeWorldOptions = {}): Promise<BridgeWorld> {
  const entra = await startFakeEntra(options);
  const names = await openRealNames(entra.hostMap);
  const upstream = await startRecordingUpstream();
  const gateway = await startGateway({
    configYaml: yaml(entra.tenant, upstream.url) + extraYaml,
    ...given,
    env: {
      ENCRYPTION_KEY: 'a-root-secret-of-the-bridge-tests-only',
      ENTRA_TENANT_ID: entra.tenant,
      ENTRA_CLIENT_ID: entra.clientId,
      ...names.env,
      ...given.env,
    },
  });
  const browser = openEgress({ allow: ['127.0.0.1', 'localhost'], hostMap: entra.hostMap });
  return {
    entra,
    names,
    gateway,
    upstream,
    url: gateway.url.replace('127.0.0.1', 'localhost'),
    fetch: browser.fetch,
    async close() {
      await gateway.stop();
      await browser.close();
      await upstream.close();
      await names.close();
      await entra.close();
    },
  };
}

const yaml = (tenant: string, upstream: string) => `
organizations:
  - { slug: contoso, name: Contoso, externalId: ${tenant} }
servers:
  - { key: github, title: GitHub, transport: { kind: http, url: '${upstream}/mcp' } }
collections:
  - { organization: contoso, name: code, allowedRoles: '*', bindings: [{ server: github }] }
  - { organization: contoso, name: staff, allowedRoles: [staff], bindings: [{ server: github }] }
enablements:
  - { organization: contoso, server: github, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;
