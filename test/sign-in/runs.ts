/**
 * The requests that well-known clients make, in their order, as far as it is publicly known: against the gateway as a
 * process with every identity provider emulated; each of them signs somebody in.
 */
import type { Broker, BrokeredWorld } from '#kit/brokered-world.ts';
import { documentRedirect, documentUrl } from '#kit/brokered-world.ts';
import { openSdkClient, type SdkVersion } from '#kit/sdk-client.ts';
import { authorization } from '#kit/sign-in.ts';
import { openRecorder, type Recorded, type Recorder, type Step } from './recorder.ts';

export interface Run {
  readonly title: string;
  readonly about: string;
  readonly steps: readonly Step[];
}

export const baseUrl = 'https://gw.example';
/** As the person typed it. */
const typed = `${baseUrl}/acme/mcp/docs`;
export const inspectorOrigin = 'http://localhost:6274';

const accept = { accept: 'application/json, text/event-stream' };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const initialize = (protocolVersion: string) => ({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion, capabilities: {}, clientInfo: { name: 'client', version: '1' } },
});
const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'hi' } } };

interface Style {
  readonly recorder: Recorder;
  readonly client: Readonly<Record<string, unknown>>;
  readonly redirectUri: string;
  readonly broker: Broker;
  readonly scope?: string;
  readonly resource?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** From a registered client to its tokens. */
async function signIn({ recorder, client, redirectUri, broker, scope, resource, headers }: Style): Promise<Recorded> {
  const clientId = text(client.client_id);
  const asked = authorization({ issuer: baseUrl, clientId, redirectUri, ...(resource && { resource }) });
  const url = new URL(asked.url);
  if (scope === undefined) url.searchParams.delete('scope');
  else url.searchParams.set('scope', scope);
  const told = await recorder.browse(url.href, { with: broker, redirectUri });
  if (told.get('state') !== asked.state || told.get('iss') !== baseUrl) throw new Error(`told ${told}`);
  return recorder.ask('tokens of our own', 'POST', '/token', {
    ...(headers && { headers }),
    form: {
      grant_type: 'authorization_code',
      code: told.get('code') ?? '',
      code_verifier: asked.verifier,
      redirect_uri: redirectUri,
      client_id: clientId,
      ...(resource && { resource }),
    },
  });
}

/** Legacy clients: a session, a call. */
async function use(recorder: Recorder, tokens: Recorded, { version = '2025-11-25', headers = {} } = {}): Promise<void> {
  const auth = { ...accept, ...headers, ...bearer(text(tokens.body.access_token)) };
  const opened = await recorder.ask('the token is good', 'POST', typed, { headers: auth, json: initialize(version) });
  const id = opened.headers.get('mcp-session-id');
  const session = { 'mcp-protocol-version': version, ...(id !== null && { 'mcp-session-id': id }) };
  await recorder.ask('a tool runs', 'POST', typed, { headers: { ...auth, ...session }, json: call });
}

const refresh = (recorder: Recorder, client: Recorded['body'], tokens: Recorded) =>
  recorder.ask('renewed, and the refresh token with it', 'POST', '/token', {
    form: {
      grant_type: 'refresh_token',
      refresh_token: text(tokens.body.refresh_token),
      client_id: text(client.client_id),
      resource: typed,
    },
  });

const discovery = '/.well-known/oauth-authorization-server';
const protectedResource = '/.well-known/oauth-protected-resource';

async function claudeAi(recorder: Recorder): Promise<void> {
  const redirectUri = 'https://claude.ai/api/mcp/auth_callback';
  const metadata = {
    client_name: 'Claude',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    scope: 'claudeai',
  };
  await recorder.ask('a challenge that names the document of this very URL', 'POST', typed, {
    headers: accept,
    json: initialize('2025-06-18'),
  });
  const document = await recorder.ask('`resource` is the URL as typed', 'GET', `${protectedResource}/acme/mcp/docs`);
  if (document.body.resource !== typed) throw new Error(`resource is ${document.body.resource}`);
  await recorder.ask('none here: the issuer has no path', 'GET', `${discovery}/acme/mcp/docs`);
  await recorder.ask('the issuer, its endpoints, S256', 'GET', discovery);
  const register = (shows: string) => recorder.ask(shows, 'POST', '/register', { json: metadata });
  await register('registered, with `registration_client_uri`');
  const client = (await register('and once more for the same attempt: another client')).body;
  const uri = text(client.registration_client_uri);
  await recorder.ask('`registration_client_uri` answers its token', 'GET', uri, {
    headers: bearer(text(client.registration_access_token)),
  });
  const tokens = await signIn({ recorder, client, redirectUri, broker: 'workos', scope: 'claudeai', resource: typed });
  await use(recorder, tokens, { version: '2025-06-18' });
  await refresh(recorder, client, tokens);
}

async function claudeCode(recorder: Recorder): Promise<void> {
  const at = (port: number) => `http://localhost:${port}/callback`;
  await recorder.ask('a challenge', 'POST', typed, { headers: accept, json: initialize('2025-11-25') });
  await recorder.ask('by the path of the URL', 'GET', `${protectedResource}/acme/mcp/docs`);
  await recorder.ask('at the root', 'GET', discovery);
  const { body: client } = await recorder.ask('registered with a port of loopback', 'POST', '/register', {
    json: { client_name: 'Claude Code (docs)', redirect_uris: [at(54_212)], token_endpoint_auth_method: 'none' },
  });
  const common = { recorder, client, broker: 'entra', scope: 'mcp:read mcp:write', resource: typed } as const;
  await use(recorder, await signIn({ ...common, redirectUri: at(54_212) }));
  const again = await signIn({ ...common, redirectUri: at(61_007) });
  await refresh(recorder, client, again);
}

async function inspector(recorder: Recorder): Promise<void> {
  const redirectUri = `${inspectorOrigin}/oauth/callback`;
  const origin = { origin: inspectorOrigin };
  const preflight = (path: string, method: string, names: string) =>
    recorder.ask('any page may ask here, without cookies', 'OPTIONS', path, {
      headers: { ...origin, 'access-control-request-method': method, 'access-control-request-headers': names },
    });
  const version = { 'mcp-protocol-version': '2025-11-25' };
  for (const path of [`${protectedResource}/acme/mcp/docs`, discovery]) {
    await preflight(path, 'GET', 'mcp-protocol-version');
    await recorder.ask('read by a page', 'GET', path, { headers: { ...origin, ...version } });
  }
  await preflight('/register', 'POST', 'content-type');
  const { body: client } = await recorder.ask('registered by a page', 'POST', '/register', {
    headers: origin,
    json: { client_name: 'MCP Inspector', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
  });
  const scope = 'mcp:read mcp:write';
  const tokens = await signIn({
    recorder,
    client,
    redirectUri,
    broker: 'github',
    scope,
    resource: typed,
    headers: origin,
  });
  await recorder.ask('a page of a listed origin may call', 'OPTIONS', typed, {
    headers: {
      ...origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type, mcp-protocol-version',
    },
  });
  await use(recorder, tokens, { headers: origin });
}

async function editors(recorder: Recorder): Promise<void> {
  const resource = typed;
  const code = await recorder.ask('VS Code: a page on the web, and loopback', 'POST', '/register', {
    json: {
      client_name: 'Visual Studio Code',
      redirect_uris: ['https://vscode.dev/redirect', 'http://127.0.0.1/', 'http://127.0.0.1:33418/'],
      token_endpoint_auth_method: 'none',
    },
  });
  const common = { recorder, resource, scope: 'mcp:read mcp:write' };
  const vscode = { ...common, client: code.body, broker: 'clerk', redirectUri: 'http://127.0.0.1:33418/' } as const;
  await use(recorder, await signIn(vscode));
  const redirectUri = 'cursor://anysphere.cursor-mcp/oauth/callback';
  const cursor = await recorder.ask('Cursor: a scheme of its own', 'POST', '/register', {
    json: { client_name: 'Cursor', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
  });
  await use(recorder, await signIn({ ...common, client: cursor.body, broker: 'corp', redirectUri }));
}

async function oldClient(recorder: Recorder): Promise<void> {
  const redirectUri = 'http://127.0.0.1:33210/oauth/callback';
  const headers = { 'mcp-protocol-version': '2025-03-26' };
  await recorder.ask('the challenge is not read', 'POST', typed, { headers: accept, json: initialize('2025-03-26') });
  await recorder.ask('the path is discarded: the root of the origin', 'GET', discovery, { headers });
  const { body: client } = await recorder.ask('default scope `openid profile email`', 'POST', '/register', {
    json: { client_name: 'Old client', redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' },
  });
  // No resource and no scope: the token is for the whole gateway, wherever the person may go.
  await use(recorder, await signIn({ recorder, client, redirectUri, broker: 'local' }), { version: '2025-03-26' });
}

const sdk = (version: SdkVersion, broker: Broker, byDocument: boolean) => async (recorder: Recorder) => {
  const redirectUrl = byDocument
    ? documentRedirect.replace('127.0.0.1', '127.0.0.1:52911')
    : 'http://localhost:41733/callback';
  const client = openSdkClient({
    version,
    url: typed,
    redirectUrl,
    fetch: recorder.fetch,
    ...(byDocument && { clientMetadataUrl: documentUrl }),
    browse: async (url) => {
      const told = await recorder.browse(url.href, { with: broker, redirectUri: redirectUrl });
      return new URL(`${redirectUrl}?${told}`);
    },
  });
  await client.call('echo', { text: 'hi' });
  await client.close();
};

const styles: readonly (readonly [title: string, about: string, run: (recorder: Recorder) => Promise<void>])[] = [
  ['Claude.ai', 'WorkOS. Registers twice per attempt, asks for a scope of its own.', claudeAi],
  ['Claude Code', 'Entra ID. A listener on a random port; the second sign-in comes from another one.', claudeCode],
  ['MCP Inspector', `GitHub. A page in a browser at ${inspectorOrigin}, which is in MCP_CORS_ORIGINS.`, inspector],
  ['VS Code and Cursor', 'Clerk and an OpenID provider. Loopback by address, and a scheme of their own.', editors],
  [
    'A client of 2025-03-26',
    'An account of the gateway. Looks at the root only, names neither resource nor scope.',
    oldClient,
  ],
  ['The official SDK 1.x', 'GitHub. Its own `auth()`, registering itself.', sdk('1.x', 'github', false)],
  ['The official SDK 2.x', 'WorkOS. Its own `auth()`, known by its metadata document.', sdk('2.x', 'workos', true)],
];

export const runTitles: readonly string[] = styles.map(([title]) => title);

/** Environment of the gateway that the runs need. */
export const runEnv = { MCP_CORS_ORIGINS: inspectorOrigin };

export async function recordRun(world: BrokeredWorld, title: string): Promise<Run> {
  const style = styles.find(([name]) => name === title);
  if (!style) throw new Error(`no run ${title}`);
  const recorder = openRecorder(world);
  await style[2](recorder);
  return { title, about: style[1], steps: recorder.steps };
}

export function renderRuns(runs: readonly Run[]): string {
  const cell = (value: string) => value.replaceAll('|', '\\|');
  const table = ({ steps }: Run) =>
    steps.map(({ request, status, shows }) => `| \`${cell(request)}\` | ${status || ''} | ${cell(shows)} |`).join('\n');
  const sections = runs.map(
    (run) =>
      `## ${run.title}\n\n${run.about}\n\n| request | status | what it shows |\n| --- | --- | --- |\n${table(run)}\n`,
  );
  return `<!-- Made by \`npm run sign-in-runs\` from test/sign-in/runs.ts: change it there. -->

# Sign-in, recorded

The requests that well-known clients make, as far as it is publicly known, sent to a gateway at ${baseUrl} whose identity
providers are emulated; only the official SDKs are the real programs. \`${typed}\` is what the person typed. Secrets, codes
and what differs each time are left out. A test makes the same requests and compares this page.

${sections.join('\n')}`;
}
