/**
 * Which authorization server guards an upstream server, and what it says of itself (RFC 9728, RFC 8414). Whatever a server
 * names is a stranger's word: it is fetched through the guard only, and believed only of the issuer that it was asked of
 * (SECURITY A12, F10, S1).
 */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { challengeField } from '#http/challenge.ts';
import { discard, readJson } from '#http/egress-body.ts';
import type { ConnectedAuth } from '#records/server-auth.ts';
import { endpointsAt, type Preset, presets } from './presets.ts';

export interface ForeignMetadata {
  readonly issuer: string;
  readonly authorization_endpoint?: string | undefined;
  readonly token_endpoint: string;
  readonly registration_endpoint?: string | undefined;
  readonly revocation_endpoint?: string | undefined;
  readonly scopes_supported?: readonly string[] | undefined;
  readonly token_endpoint_auth_methods_supported?: readonly string[] | undefined;
  readonly authorization_response_iss_parameter_supported?: boolean | undefined;
  readonly client_id_metadata_document_supported?: boolean | undefined;
}

/** What is known of a server before anybody is sent to its authorization server. */
export interface Guard {
  readonly metadata: ForeignMetadata;
  readonly preset: Preset | undefined;
  /** RFC 8707; undefined: the authorization server is not told. */
  readonly resource: string | undefined;
  /** What the server asks for; empty: it doesn't say. */
  readonly scopes: readonly string[];
}

/** `tokens`: no browser is sent there. */
export type Use = 'browsers' | 'tokens';

export interface ForeignServers {
  /** Throws GatehouseError `identity_unavailable`, its cause for the log only. */
  find(url: string, auth: ConnectedAuth): Promise<Guard>;
  /** What an issuer says of itself. Throws as `find`. */
  metadataOf(issuer: string, preset?: string | undefined, use?: Use): Promise<ForeignMetadata>;
}

export interface ForeignServersDeps {
  /** Guarded. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

const MAX_BYTES = 262_144;
const TIMEOUT_MS = 5000;
const KEPT_MS = 600_000;

const url = z.string().max(2048);
const list = z.array(z.string().max(256)).max(500);
const metadataSchema = z.object({
  issuer: url,
  authorization_endpoint: url.optional(),
  token_endpoint: url,
  registration_endpoint: url.optional(),
  revocation_endpoint: url.optional(),
  scopes_supported: list.optional(),
  token_endpoint_auth_methods_supported: list.optional(),
  code_challenge_methods_supported: list.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
});
const resourceSchema = z.object({
  resource: url,
  authorization_servers: z.array(url).min(1).max(20),
  scopes_supported: list.optional(),
});

export function openForeignServers({ fetch, clock }: ForeignServersDeps): ForeignServers {
  const perf = { now: () => clock.monotonic() };
  const documents = new LRUCache<string, ForeignMetadata>({ max: 1000, ttl: KEPT_MS, ttlResolution: 0, perf });

  async function get(place: string): Promise<unknown> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(place, { headers: { accept: 'application/json' }, redirect: 'manual', signal });
    if (answer.status === 200) return readJson(answer, MAX_BYTES);
    await discard(answer);
    if (answer.status >= 500) throw new Error(`${place} answered ${answer.status}`);
    return undefined;
  }

  async function metadataOf(issuer: string, presetName?: string, use: Use = 'browsers'): Promise<ForeignMetadata> {
    const preset = presetName === undefined ? undefined : presets[presetName];
    const known = preset && endpointsAt(preset, issuer);
    if (known) return { issuer, ...known };
    const key = `${use} ${issuer}`;
    const held = documents.get(key);
    if (held) return held;
    for (const place of metadataPlaces(issuer)) {
      const document = await get(place);
      if (document === undefined) continue;
      const metadata = checkedMetadata(metadataSchema.parse(document), issuer, use);
      documents.set(key, metadata);
      return metadata;
    }
    throw new Error(`no metadata of ${issuer}`);
  }

  /** What the server says when nobody in particular asks. */
  async function challenge(server: string): Promise<string> {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'gatehouse', version: '1' } };
    const answer = await fetch(server, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'initialize', params }),
      signal,
    });
    await discard(answer);
    return answer.status === 401 ? (answer.headers.get('www-authenticate') ?? '') : '';
  }

  async function discover(
    server: string,
  ): Promise<{ issuer: string; resource: string | undefined; scopes: readonly string[] }> {
    const said = await challenge(server);
    const named = challengeField(said, 'resource_metadata');
    const asked = (challengeField(said, 'scope') ?? '').split(' ').filter(Boolean);
    for (const place of named === undefined ? resourcePlaces(server) : [named]) {
      const document = await get(place);
      if (document === undefined) continue;
      const {
        resource,
        authorization_servers: servers,
        scopes_supported: supported = [],
      } = resourceSchema.parse(document);
      checkResource(resource, server);
      return { issuer: servers[0] ?? '', resource, scopes: asked.length > 0 ? asked : supported };
    }
    // Revision 2025-03-26: the server's origin is its own authorization server.
    return { issuer: new URL(server).origin, resource: undefined, scopes: asked };
  }

  return {
    metadataOf: (issuer, preset, use) => orUnavailable(() => metadataOf(issuer, preset, use)),
    find: (server, auth) =>
      orUnavailable(async () => {
        const preset = auth.preset === undefined ? undefined : presets[auth.preset];
        const fixed = issuerOf(auth);
        const found =
          fixed === undefined
            ? await discover(server)
            : { issuer: fixed, resource: undefined, scopes: auth.scopes ?? [] };
        const metadata = await metadataOf(found.issuer, auth.preset);
        const resource =
          auth.resource ?? (preset?.resource === false ? undefined : (found.resource ?? canonical(server)));
        return { metadata, preset, resource, scopes: auth.scopes ?? found.scopes };
      }),
  };
}

/** The configuration's own word on who issues tokens; undefined: the server's. */
export function issuerOf({ issuer, preset }: Pick<ConnectedAuth, 'issuer' | 'preset'>): string | undefined {
  return issuer ?? (preset === undefined ? undefined : presets[preset]?.issuer);
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof GatehouseError && cause.code === 'identity_unavailable') throw cause;
    throw new GatehouseError('identity_unavailable', { cause });
  }
}

/** RFC 8414 3.1 and what MCP adds to it, in this order. */
function metadataPlaces(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname === '/' ? '' : pathname.replace(/\/$/, '');
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  return [...new Set(places)];
}

/** RFC 9728 3.1: below the path, then at the root. */
function resourcePlaces(server: string): readonly string[] {
  const { origin, pathname } = new URL(server);
  const known = `${origin}/.well-known/oauth-protected-resource`;
  return [...new Set([`${known}${pathname === '/' ? '' : pathname.replace(/\/$/, '')}`, known])];
}

function checkedMetadata(metadata: z.output<typeof metadataSchema>, issuer: string, use: Use): ForeignMetadata {
  // Somebody else's document (RFC 8414 3.3): no secret ever goes where it says.
  if (metadata.issuer !== issuer) throw new Error(`a document of ${metadata.issuer}, asked of ${issuer}`);
  const { authorization_endpoint: page, token_endpoint: token, registration_endpoint: register } = metadata;
  for (const place of [page, token, register, metadata.revocation_endpoint]) if (place !== undefined) checkPlace(place);
  if (use === 'browsers' && !metadata.code_challenge_methods_supported?.includes('S256'))
    throw new Error(`${issuer} does not say that it takes PKCE with S256`);
  return metadata;
}

/** A browser is sent there, or a secret is. Throws. */
export function checkPlace(place: string): void {
  const { protocol, hostname, username, password } = new URL(place);
  const isHere = ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
  if (protocol !== 'https:' && !(protocol === 'http:' && isHere))
    throw new Error(`${protocol} is no place for a sign-in`);
  if (username !== '' || password !== '') throw new Error('an address with a password in it');
}

/** RFC 9728 3.3; as MCP clients have it, a prefix of the path at the same origin will do. Throws. */
function checkResource(resource: string, server: string): void {
  const [said, asked] = [new URL(resource), new URL(server)];
  const path = said.pathname.replace(/\/$/, '');
  const isWithin = asked.pathname === said.pathname || asked.pathname === path || asked.pathname.startsWith(`${path}/`);
  if (said.origin !== asked.origin || !isWithin) throw new Error(`metadata of ${resource}, asked of ${server}`);
}

/** Absolute, without fragment and trailing slash. */
function canonical(server: string): string {
  const { origin, pathname, search } = new URL(server);
  return `${origin}${pathname === '/' ? '' : pathname.replace(/\/$/, '')}${search}`;
}
