/**
 * What the gateway is at a foreign authorization server: what the configuration says, else its own metadata document,
 * else what it registered itself as. Kept per organization and issuer: a secret is never shown to another issuer
 * (SECURITY A13).
 */
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  customFetch,
  None,
} from 'openid-client';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type OrgId, uuidv7 } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { readJson } from '#http/egress-body.ts';
import type { ServerAuth } from '#records/server-auth.ts';
import { openClientSecret } from '#records/server-secrets.ts';
import {
  findUpstreamClient,
  putUpstreamClient,
  removeUpstreamClient,
  upstreamClientPlace,
} from '#records/upstream-clients.ts';
import type { Vault } from '#records/vault.ts';
import type { ForeignMetadata } from './foreign-servers.ts';

export interface ForeignClients {
  /** For somebody who is about to be sent there; registers where that has to be. Throws `identity_unavailable`. */
  choose(org: OrgId, auth: ServerAuth, metadata: ForeignMetadata): Promise<Configuration>;
  /** The same client as tokens were issued to. Throws `identity_unavailable`. */
  find(org: OrgId, auth: ServerAuth | undefined, issued: IssuedTo): Promise<Configuration>;
  /** It is not known there any more: the next one is registered anew. */
  forget(org: OrgId, issuer: string): Promise<void>;
}

export interface IssuedTo {
  readonly metadata: ForeignMetadata;
  readonly clientId: string;
}

export interface ForeignClientsDeps {
  readonly db: Db;
  readonly vault: Pick<Vault, 'seal' | 'open'>;
  readonly sealer: Sealer;
  /** Guarded. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  /** No trailing slash. */
  readonly baseUrl: string;
}

export const callbackPath = '/connect/callback';
export const documentPath = '/connect/client.json';

/** The gateway's own client metadata document (MCP authorization, Client ID Metadata Documents). */
export function clientDocument(baseUrl: string) {
  return {
    client_id: baseUrl + documentPath,
    client_name: 'Gatehouse',
    client_uri: baseUrl,
    redirect_uris: [baseUrl + callbackPath],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
    application_type: 'web',
  };
}

const registered = z.object({
  client_id: z.string().min(1).max(2048),
  client_secret: z.string().max(4096).optional(),
  client_secret_expires_at: z.number().optional(),
  token_endpoint_auth_method: z.string().max(64).optional(),
});

interface Identified {
  readonly clientId: string;
  readonly auth: ClientAuth;
}

export function openForeignClients(deps: ForeignClientsDeps): ForeignClients {
  const { db, vault, baseUrl, clock } = deps;
  const redirectUri = baseUrl + callbackPath;

  function configured(auth: ServerAuth, metadata: ForeignMetadata): Identified | undefined {
    if (auth.clientId === undefined) return undefined;
    const { clientId, sealedSecret } = auth;
    const secret = sealedSecret === undefined ? undefined : openClientSecret(deps.sealer, clientId, sealedSecret);
    return { clientId, auth: authOf(secret?.reveal(), methodFor(metadata)) };
  }

  async function kept(org: OrgId, issuer: string): Promise<Identified | undefined> {
    const row = await findUpstreamClient(db, org, issuer);
    const isOver = row?.expiresAt !== undefined && row.expiresAt <= clock.now();
    if (!row || isOver || row.redirectUri !== redirectUri) return undefined;
    const secret =
      row.sealed === undefined ? undefined : await vault.open(org, upstreamClientPlace(row.id), row.sealed);
    return { clientId: row.clientId, auth: authOf(secret?.reveal(), row.authMethod) };
  }

  async function register(org: OrgId, { issuer, registration_endpoint: place }: ForeignMetadata): Promise<Identified> {
    if (place === undefined) throw new Error(`${issuer} registers nobody: the server needs a client id`);
    const { client_id: _ours, ...metadata } = clientDocument(baseUrl);
    const answer = await deps.fetch(place, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(metadata),
    });
    if (answer.status !== 201 && answer.status !== 200) throw new Error(`registration answered ${answer.status}`);
    const said = registered.parse(await readJson(answer, 65_536));
    const { client_id: clientId, client_secret: secret, client_secret_expires_at: ends = 0 } = said;
    const authMethod = said.token_endpoint_auth_method ?? (secret === undefined ? 'none' : 'client_secret_basic');
    const id = uuidv7(clock.now());
    const sealed = secret === undefined ? undefined : await vault.seal(org, upstreamClientPlace(id), secret);
    const expiresAt = ends === 0 ? undefined : ends * 1000;
    await putUpstreamClient(db, { id, org, issuer, clientId, sealed, authMethod, redirectUri, expiresAt });
    return { clientId, auth: authOf(secret, authMethod) };
  }

  /** Documents are read from where they lie: at an address that others can reach. */
  function byDocument(auth: ServerAuth, metadata: ForeignMetadata): Identified | undefined {
    const wish = auth.kind === 'connected' ? auth.registration : 'auto';
    const isTaken = metadata.client_id_metadata_document_supported === true && baseUrl.startsWith('https:');
    if (wish !== 'document' && (wish === 'register' || !isTaken)) return undefined;
    return { clientId: baseUrl + documentPath, auth: None() };
  }

  return {
    choose: (org, auth, metadata) =>
      orUnavailable(async () => {
        const client =
          configured(auth, metadata) ??
          byDocument(auth, metadata) ??
          (await kept(org, metadata.issuer)) ??
          (await register(org, metadata));
        return configurationOf(deps, metadata, client);
      }),
    find: (org, auth, { metadata, clientId }) =>
      orUnavailable(async () => {
        const own = auth && configured(auth, metadata);
        if (own?.clientId === clientId) return configurationOf(deps, metadata, own);
        const row = await kept(org, metadata.issuer);
        if (row?.clientId === clientId) return configurationOf(deps, metadata, row);
        return configurationOf(deps, metadata, { clientId, auth: None() });
      }),
    async forget(org, issuer) {
      const row = await findUpstreamClient(db, org, issuer);
      if (row) await removeUpstreamClient(db, row);
    },
  };
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof GatehouseError && cause.code === 'storage_unavailable') throw cause;
    throw new GatehouseError('identity_unavailable', { cause });
  }
}

function authOf(secret: string | undefined, method: string): ClientAuth {
  if (secret === undefined) return None();
  return method === 'client_secret_basic' ? ClientSecretBasic(secret) : ClientSecretPost(secret);
}

const methodFor = ({ token_endpoint_auth_methods_supported: said }: ForeignMetadata) =>
  said && !said.includes('client_secret_post') ? 'client_secret_basic' : 'client_secret_post';

function configurationOf({ fetch }: ForeignClientsDeps, metadata: ForeignMetadata, { clientId, auth }: Identified) {
  const { scopes_supported: _scopes, token_endpoint_auth_methods_supported: _methods, ...server } = metadata;
  const configuration = new Configuration(server, clientId, undefined, auth);
  configuration[customFetch] = async (url, { body, ...init }) =>
    withErrorsAsSuch(await fetch(url, { ...init, ...(body != null && { body }) }));
  if (metadata.issuer.startsWith('http:')) allowInsecureRequests(configuration);
  return configuration;
}

const refusal = z.looseObject({ error: z.string(), access_token: z.undefined().optional() });

/** GitHub and Slack say with status 200 what went wrong. */
async function withErrorsAsSuch(answer: Response): Promise<Response> {
  if (answer.status !== 200) return answer;
  const text = await answer.text();
  const { headers } = answer;
  const isRefusal = refusal.safeParse(parsed(text)).success;
  return new Response(text, { status: isRefusal ? 400 : 200, headers });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
