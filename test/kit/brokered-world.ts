/**
 * One gateway process that signs people in with every identity provider there is, each emulated: WorkOS, Clerk, Entra ID
 * (by its real name), GitHub, an OpenID provider and accounts of its own. Behind it an upstream with the tool `echo`.
 */
import { createServer } from 'node:http';
import { z } from 'zod';
import { openEgress } from '#http/egress.ts';
import { type BrowserJar, openBrowserJar } from './browser-jar.ts';
import { type GatewayOptions, type RunningGateway, startGateway } from './gateway.ts';
import { startFakeClerk } from './identity/fake-clerk.ts';
import { startFakeEntra } from './identity/fake-entra.ts';
import { startFakeGithub } from './identity/fake-github.ts';
import { startFakeOidc } from './identity/fake-oidc.ts';
import { startFakeWorkos } from './identity/fake-workos.ts';
import { openRealNames } from './identity/real-names.ts';
import { listenOnLoopback } from './listen.ts';
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts';

/** As the buttons of the sign-in page name them. */
export const brokers = ['workos', 'clerk', 'entra', 'github', 'corp', 'local'] as const;
export type Broker = (typeof brokers)[number];

/** Where a client describes itself (Client ID Metadata Document). */
export const documentUrl = 'https://desk.client.example/oauth/client.json';
export const documentRedirect = 'http://127.0.0.1/callback';

export interface BrokeredWorld {
  /** BASE_URL and issuer, no trailing slash. */
  readonly issuer: string;
  readonly gateway: RunningGateway;
  readonly upstream: RecordingUpstream;
  /** How often the client's document was fetched. */
  documentRequests(): number;
  /** Reaches the gateway by its base URL and the emulators by the names they are asked by; redirects are answers. */
  readonly fetch: typeof globalThis.fetch;
  /** A new browser that stops at this redirect URI. */
  jar(redirectUri: string, fetch?: typeof globalThis.fetch): BrowserJar;
  /** From a client's authorization URL through the consent page and one identity provider: what the client is told. */
  signIn(url: URL, options: { readonly with: Broker; readonly redirectUri: string; jar?: BrowserJar }): Promise<URL>;
  /** What a form of the sign-in page says for it. */
  fields(broker: Broker): Readonly<Record<string, string>>;
  /** Ends the process and starts it again at the same address. */
  restart(): Promise<void>;
  /** Sends the process SIGUSR2 (see children/movable-clock.ts) and waits until its clock has moved. */
  moveClock(): Promise<void>;
  close(): Promise<void>;
}

export interface BrokeredWorldOptions extends Partial<GatewayOptions> {
  /** PostgreSQL, empty or migrated; ended by `close`. */
  readonly database: { readonly url: string; close(): Promise<unknown> };
  /** Default: where it listens, by the name localhost. */
  readonly issuer?: string;
  /** Appended to gatehouse.yaml. */
  readonly extraYaml?: string;
  /** The process's clock moves on by so many seconds at each `moveClock`. */
  readonly clockStepSeconds?: number;
}

export async function startBrokeredWorld(options: BrokeredWorldOptions): Promise<BrokeredWorld> {
  const idps = await startEmulators(options.issuer);
  const documents = await startDocuments();
  const hosts = { ...idps.entra.hostMap, [new URL(documentUrl).hostname]: documents.url };
  const [upstream, names] = await Promise.all([startRecordingUpstream(), openRealNames(hosts)]);
  const { database, clockStepSeconds = 0, extraYaml = '', issuer: given, ...gatewayOptions } = options;
  const movable = {
    NODE_OPTIONS: `--import=${import.meta.resolve('./children/movable-clock.ts')}`,
    MOVE_CLOCK_SECONDS: String(clockStepSeconds),
  };
  let moved = 0;
  const start = (more: Readonly<Record<string, string>> = {}) =>
    startGateway({
      startTimeoutMs: 100_000,
      ...gatewayOptions,
      configYaml: yaml(idps, upstream.url) + extraYaml,
      env: {
        DATABASE_URL: database.url,
        ENCRYPTION_KEY: 'a-root-secret-of-the-brokered-world-only',
        ...idps.env,
        ...names.env,
        ...(clockStepSeconds > 0 && movable),
        ...(given !== undefined && { BASE_URL: given }),
        ...gatewayOptions.env,
        ...more,
      },
    });
  let gateway = await start();
  const { port } = new URL(gateway.url);
  const issuer = given ?? `http://localhost:${port}`;
  const browser = openEgress({
    allow: ['127.0.0.1', 'localhost'],
    hostMap: { ...idps.entra.hostMap, ...(given !== undefined && { [new URL(given).hostname]: gateway.url }) },
  });
  const account = z.object({ password: z.string() }).parse(await gateway.cli('user', 'create', 'ada', '--org', 'acme'));
  const fields: BrokeredWorld['fields'] = (broker): Readonly<Record<string, string>> =>
    broker === 'local' ? { with: broker, username: 'ada', password: account.password } : { with: broker };
  const openJar: BrokeredWorld['jar'] = (redirectUri, fetch = browser.fetch) =>
    openBrowserJar((url) => url.startsWith(redirectUri), { fetch });
  return {
    issuer,
    get gateway() {
      return gateway;
    },
    upstream,
    documentRequests: documents.requests,
    fetch: browser.fetch,
    fields,
    jar: openJar,
    async signIn(url, { with: broker, redirectUri, jar = openJar(redirectUri) }) {
      const done = await jar.submit(await jar.open(url.href), fields(broker));
      if (!done.url.startsWith(redirectUri)) throw new Error(`${broker} ended at ${done.url}: ${done.html}`);
      return new URL(done.url);
    },
    async restart() {
      await gateway.stop();
      gateway = await start({ PORT: port, CLOCK_AHEAD_SECONDS: String(moved * clockStepSeconds) });
    },
    async moveClock() {
      const moves = () => gateway.logs().filter(({ msg }) => msg === 'clock moved').length;
      const before = moves();
      process.kill(gateway.pid, 'SIGUSR2');
      moved++;
      while (moves() === before) await new Promise((resolve) => setImmediate(resolve));
    },
    async close() {
      await gateway.stop();
      await browser.close();
      await Promise.all([upstream, names, documents, idps].map((part) => part.close()));
      await database.close();
    },
  };
}

/** Entra ID knows an address on the web by its whole URL and asks for a secret there; on loopback it does neither. */
async function startEmulators(issuer: string | undefined) {
  const clientSecret = 'a-secret-of-the-gateway';
  const organization = 'org_acme';
  const [workos, clerk, entra, github, oidc] = await Promise.all([
    startFakeWorkos({ organizations: { [organization]: { user_1: ['member'] } } }),
    startFakeClerk({ organizations: { [organization]: { user_1: 'org:member' } } }),
    startFakeEntra(issuer === undefined ? { desktop: ['http://localhost/callback'] } : { web: [`${issuer}/callback`] }),
    startFakeGithub(),
    startFakeOidc({
      clientSecret,
      user: { idToken: { sub: 'grace', email: 'grace@corp.example', name: 'Grace Hopper' } },
    }),
  ]);
  const all = [workos, clerk, entra, github, oidc];
  return {
    workos,
    clerk,
    entra,
    github,
    oidc,
    env: {
      FAKE_WORKOS_KEY: workos.apiKey,
      FAKE_CLERK_KEY: clerk.secretKey,
      FAKE_CLERK_SECRET: clerk.clientSecret,
      ...(issuer !== undefined && { FAKE_ENTRA_SECRET: entra.clientSecret }),
      FAKE_GITHUB_SECRET: github.clientSecret,
      FAKE_OIDC_SECRET: clientSecret,
    },
    async close() {
      await Promise.all(all.map((one) => one.close()));
    },
  };
}

type Emulators = Awaited<ReturnType<typeof startEmulators>>;

const yaml = ({ workos, clerk, entra, github, oidc, env }: Emulators, upstream: string) => `
organizations:
  - { slug: acme, name: Acme, externalId: org_acme }
servers:
  - { key: plain, title: Plain, transport: { kind: http, url: '${upstream}/mcp' } }
collections:
  - { organization: acme, name: docs, allowedRoles: '*', bindings: [{ server: plain }] }
enablements:
  - { organization: acme, server: plain, allMembers: true }
egress: { allow: ['127.0.0.1'] }
identity:
  - kind: workos
    mode: broker
    apiKey: \${FAKE_WORKOS_KEY}
    clientId: ${workos.clientId}
    authorizationServerUrl: ${workos.issuer}
    apiBaseUrl: ${workos.url}
  - kind: clerk
    secretKey: \${FAKE_CLERK_KEY}
    frontendApi: ${clerk.issuer}
    apiUrl: ${clerk.url}
    clientId: ${clerk.clientId}
    clientSecret: \${FAKE_CLERK_SECRET}
  - kind: entra
    mode: broker
    tenantId: ${entra.tenant}
    clientId: ${entra.clientId}
    organization: acme
    ${'FAKE_ENTRA_SECRET' in env ? `clientSecret: \${FAKE_ENTRA_SECRET}` : ''}
  - kind: github
    baseUrl: ${github.baseUrl}
    clientId: ${github.clientId}
    clientSecret: \${FAKE_GITHUB_SECRET}
    organization: acme
    allowedUsers: ['*']
  - kind: oidc
    name: corp
    title: Corp SSO
    issuer: ${oidc.issuer}
    clientId: ${oidc.clientId}
    clientSecret: \${FAKE_OIDC_SECRET}
    organization: acme
  - { kind: local }
`;

/** The web server of a client that describes itself. */
async function startDocuments() {
  const document = {
    client_id: documentUrl,
    client_name: 'Desk',
    redirect_uris: [documentRedirect],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  };
  let requests = 0;
  const server = createServer((req, res) => {
    requests++;
    const known = req.url === new URL(documentUrl).pathname;
    res.writeHead(known ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  const { port, close } = await listenOnLoopback(server);
  return { url: `http://127.0.0.1:${port}`, requests: () => requests, close };
}
