/** How any MCP address answers a stranger: TLS, challenge, metadata documents, and both eras of the protocol. */
import { z } from 'zod';
import type { Finding } from './doctor.ts';
import type { Io } from './io.ts';

const PATIENCE_MS = 10_000;

export async function probeAddress(io: Io, url: URL): Promise<readonly Finding[]> {
  const isLocal = /^(localhost|127\.|\[::1\])/.test(url.hostname);
  const tls: Finding =
    url.protocol === 'https:'
      ? { check: 'TLS', state: 'ok', said: 'https' }
      : { check: 'TLS', state: isLocal ? 'skipped' : 'warning', said: 'plain http: tokens travel in the clear' };
  const legacy = await greet(io, url, { era: 'initialize', version: '2025-11-25' });
  if (!legacy.answer) return [tls, { check: 'address', state: 'failed', said: legacy.said }];
  const modern = await greet(io, url, { era: 'server/discover', version: '2026-07-28' });
  const metadata = legacy.answer.status === 401 ? await probeMetadata(io, url, legacy.answer) : [];
  return [tls, legacy.finding, modern.finding, ...metadata];
}

interface Greeted {
  readonly answer: Response | undefined;
  readonly said: string;
  readonly finding: Finding;
}

async function greet(
  io: Io,
  url: URL,
  { era, version }: { readonly era: string; readonly version: string },
): Promise<Greeted> {
  const check = era === 'initialize' ? 'legacy era (initialize)' : 'modern era (server/discover)';
  const clientInfo = { name: 'gatehouse-doctor', version: '1' };
  const params =
    era === 'initialize'
      ? { protocolVersion: version, capabilities: {}, clientInfo }
      : {
          _meta: {
            'io.modelcontextprotocol/protocolVersion': version,
            'io.modelcontextprotocol/clientInfo': clientInfo,
            'io.modelcontextprotocol/clientCapabilities': {},
          },
        };
  try {
    const answer = await io.fetch(url, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        ...(era !== 'initialize' && { 'mcp-protocol-version': version, 'mcp-method': era }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: era, params }),
      redirect: 'manual',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = (await answer.text()).slice(0, 65_536);
    const isResult = answer.ok && /"result"\s*:/.test(text);
    const said = isResult ? 'answers' : answer.status === 401 ? 'wants a sign-in (401)' : `answers ${answer.status}`;
    const state = isResult || answer.status === 401 ? 'ok' : era === 'initialize' ? 'failed' : 'skipped';
    return { answer, said, finding: { check, state, said } };
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause.message : undefined;
    const said = cause ?? (thrown instanceof Error ? thrown.message : 'no answer');
    return { answer: undefined, said, finding: { check, state: 'failed', said } };
  }
}

const resourceSchema = z.object({ resource: z.string(), authorization_servers: z.array(z.url()).min(1) });
const issuerSchema = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  registration_endpoint: z.string().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
  code_challenge_methods_supported: z.array(z.string()).optional(),
});

/** RFC 9728 and RFC 8414, as clients follow them. */
async function probeMetadata(io: Io, url: URL, { headers }: Response): Promise<readonly Finding[]> {
  const challenge = headers.get('www-authenticate') ?? '';
  const named = /resource_metadata="([^"]+)"/.exec(challenge)?.[1];
  const told: Finding = named
    ? { check: '401', state: 'ok', said: `names ${named}` }
    : { check: '401', state: 'warning', said: 'WWW-Authenticate has no resource_metadata: clients must guess' };
  const place = named ?? new URL(`/.well-known/oauth-protected-resource${url.pathname}`, url).href;
  const resource = resourceSchema.safeParse(await read(io, place)).data;
  if (!resource) return [told, { check: 'resource metadata', state: 'failed', said: `${place} is no such document` }];
  const same = resource.resource.replace(/\/$/, '') === url.href.replace(/\/$/, '');
  const found: Finding = {
    check: 'resource metadata',
    state: same ? 'ok' : 'warning',
    said: same ? resource.resource : `it is about ${resource.resource}, not this address`,
  };
  return [told, found, await probeIssuer(io, resource.authorization_servers[0] ?? '')];
}

async function probeIssuer(io: Io, issuer: string): Promise<Finding> {
  const check = 'authorization server';
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
  for (const place of places) {
    const found = issuerSchema.safeParse(await read(io, place)).data;
    if (!found) continue;
    if (found.issuer !== issuer && found.issuer !== issuer.replace(/\/$/, ''))
      return { check, state: 'failed', said: `${place} calls itself ${found.issuer}: clients refuse that` };
    if (!found.code_challenge_methods_supported?.includes('S256'))
      return { check, state: 'failed', said: `${issuer} does not say that it knows PKCE (S256)` };
    const ways = [
      ...(found.client_id_metadata_document_supported ? ['client metadata documents'] : []),
      ...(found.registration_endpoint ? ['registration'] : []),
    ];
    return { check, state: 'ok', said: `${issuer}; clients by ${ways.join(' and ') || 'their operator only'}` };
  }
  return { check, state: 'failed', said: `${issuer} has no metadata document` };
}

async function read(io: Io, url: string): Promise<unknown> {
  if (!URL.canParse(url) || !/^https?:/.test(url)) return undefined;
  try {
    const answer = await io.fetch(url, {
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: { accept: 'application/json' },
    });
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}
