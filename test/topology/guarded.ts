/**
 * A server that knows nothing of OAuth, behind an nginx that asks `/verify` before each request; the official client finds
 * the sign-in by itself, from the server's address alone.
 */
import { z } from 'zod';
import { openBrowserJar } from '#kit/browser-jar.ts';
import type { RunningGateway } from '#kit/gateway.ts';
import { send } from '#kit/http-client.ts';
import { startNginx } from '#kit/nginx.ts';
import type { RecordingUpstream } from '#kit/recording-upstream.ts';
import { openSdkClient } from '#kit/sdk-client.ts';
import type { Balancer } from './balancers.ts';
import { network } from './client.ts';

const host = 'slow.acme.example';
/** What people give their client. */
export const guardedResource = `http://${host}/mcp`;
const redirectUrl = 'http://localhost:41733/callback';

export interface Guarded {
  readonly withoutToken: number;
  readonly challenge: string;
  /** What the client's call was answered, after it signed in. */
  readonly answer: string;
  /** With a token for something else. */
  readonly withOtherToken: number;
  /** What arrived at the server, in all. */
  readonly arrived: readonly { readonly user: string; readonly token: string }[];
}

export interface Guarding {
  readonly replica: RunningGateway;
  readonly balancer: Balancer;
  /** The server. */
  readonly upstream: RecordingUpstream;
  readonly say: (line: string) => void;
}

export async function askGuarded({ replica, balancer, upstream, say }: Guarding): Promise<Guarded> {
  const before = upstream.requests.length;
  const nginx = await startNginx(asGuided(upstream.url, replica.url));
  const outside = network(balancer, { [host]: Number(new URL(nginx.url).port) });
  const client = openSdkClient({
    ...{ version: '2.x', url: guardedResource, redirectUrl, fetch: outside.fetch },
    browse: (url) => signIn(replica, url, outside.fetch),
  });
  try {
    const mcp = (token?: string) => asked(nginx.url, token);
    const without = await mcp();
    const answer = await client.call('wait', { ms: 7 });
    const seen: Guarded = {
      withoutToken: without.status,
      challenge: String(without.headers['www-authenticate'] ?? ''),
      answer,
      withOtherToken: (await mcp(await tokenFor(replica, `${balancer.url}/acme/mcp/slow`))).status,
      arrived: upstream.requests.slice(before).map(({ headers }) => ({
        user: String(headers['x-user-id'] ?? ''),
        token: String(headers.authorization ?? ''),
      })),
    };
    say(`nginx asks /verify: ${seen.withoutToken} without a token, ${seen.withOtherToken} with one for something else`);
    say(`the client signed in from ${guardedResource} alone: ${client.requests().join(', ')}; answer: ${answer}`);
    return seen;
  } finally {
    await client.close().catch(() => undefined);
    await outside.close();
    await nginx.close();
  }
}

const asked = (url: string, token?: string) =>
  send(`${url}/mcp`, {
    method: 'POST',
    headers: { host, 'x-user-id': 'somebody-else', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: { jsonrpc: '2.0', id: 1, method: 'ping' },
  });

const account = z.looseObject({ password: z.string() });

/** A person with an account at the gateway, in a browser: consent and password. */
async function signIn(replica: RunningGateway, url: URL, fetch: typeof globalThis.fetch): Promise<URL> {
  const { password } = account.parse(await replica.cli('user', 'create', 'ada', '--org', 'acme'));
  const jar = openBrowserJar((at) => at.startsWith(redirectUrl), { fetch });
  const page = await jar.open(url.href);
  const done = await jar.submit(page, { with: 'local', username: 'ada', password });
  if (!done.url.startsWith(redirectUrl)) throw new Error(`the sign-in ended at ${done.url} with ${done.status}`);
  return new URL(done.url);
}

/** As in docs/guide/forward-authentication.md. */
const asGuided = (upstream: string, gateway: string) => `
    location / {
      auth_request /_verify;
      auth_request_set $user $upstream_http_x_user_id;
      auth_request_set $organization $upstream_http_x_organization_id;
      proxy_set_header X-User-Id $user;
      proxy_set_header X-Organization-Id $organization;
      proxy_set_header Authorization "";
      proxy_pass ${upstream};
    }
    location /.well-known/ { proxy_set_header Host $host; proxy_pass ${gateway}; }
    location = /_verify {
      internal;
      proxy_pass ${gateway}/verify;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Uri $request_uri;
      proxy_set_header X-Forwarded-Method $request_method;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Original-URL $scheme://$host$request_uri;
    }`;

const registered = z.looseObject({ id: z.string(), secret: z.string() });
const issued = z.looseObject({ access_token: z.string() });

/** Of a program: client credentials. */
async function tokenFor(replica: RunningGateway, resource: string): Promise<string> {
  const name = `guarded-${Math.random().toString(36).slice(2, 8)}`;
  const args = ['client', 'create', name, '--org', 'acme', '--grants', 'client_credentials'];
  const { id, secret } = registered.parse(await replica.cli(...args));
  const { status, text, json } = await send(`${replica.url}/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'mcp:read mcp:write' }).toString(),
  });
  if (status !== 200) throw new Error(`no token for ${resource}: ${status} ${text}`);
  return issued.parse(json).access_token;
}
