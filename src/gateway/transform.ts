/** Room 5: what goes upstream. Headers are built from nothing: what isn't named here stays behind, the caller's token first of all. */
import type { UpstreamCall, UpstreamTimeouts } from '#adapters/upstream/upstream.ts';
import type { Principal } from '#core/principal.ts';
import type { Secret } from '#core/secret.ts';
import { enforceArguments, findEnforced } from '#mcp/enforce.ts';
import type { Message } from '#mcp/message.ts';
import { type Binding, type Endpoint, isOfCaller, type OrganizationSnapshot } from '#records/snapshot.ts';
import { type Received, requestIdOf } from './call.ts';
import type { Reach } from './rights/reach.ts';

export interface TransformInput {
  readonly call: Received;
  readonly principal: Principal;
  readonly reach: Reach;
  readonly organization: OrganizationSnapshot;
  readonly binding: Binding;
  readonly message: Message | undefined;
  readonly credential: Secret | undefined;
  readonly upstreamSessionId: string | undefined;
  readonly timeouts: TimeoutSettings;
}

/** Milliseconds (SECURITY 3.2). */
export interface TimeoutSettings {
  readonly callHeadersMs: number;
  readonly callTotalMs: number;
  /** The most that a server's or a tool's own time may be; undefined: an hour. */
  readonly callMaxMs?: number;
  readonly listTotalMs: number;
  readonly initializeTotalMs: number;
  readonly resourceReadTotalMs: number;
  readonly idleMs: number;
}

/** Throws GatehouseError `enforcement_failed`. */
export function transform(input: TransformInput): UpstreamCall {
  const { call, principal, organization, binding, message, credential } = input;
  const method = call.req.method === 'GET' ? 'GET' : call.req.method === 'DELETE' ? 'DELETE' : 'POST';
  const body = message ? outgoingBody(message, binding) : undefined;
  return {
    method,
    headers: outgoingHeaders(input, { method, isChanged: body !== message?.bytes }),
    body,
    rpcMethod: message?.method,
    era: call.era,
    sessionId: input.upstreamSessionId,
    principal: principal.key,
    org: organization.id,
    credential,
    credentialKey: binding.credential ? `${binding.credential.id}:${binding.credential.version}` : '',
    partition: binding.partition,
    timeouts: timeoutsFor(method === 'GET' ? 'GET' : message?.method, binding, input.timeouts),
  };
}

function outgoingBody(message: Message, { enforced }: Binding): Buffer {
  if (message.method !== 'tools/call' || enforced.size === 0) return message.bytes;
  const found = findEnforced(message.name ?? '', enforced);
  return found ? enforceArguments(message, found) : message.bytes;
}

const traceparent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

function outgoingHeaders(
  input: TransformInput,
  { method, isChanged }: { readonly method: 'POST' | 'GET' | 'DELETE'; readonly isChanged: boolean },
): Record<string, string> {
  const { call } = input;
  const from = call.headers;
  const headers: Record<string, string> = {
    accept: from.accept ?? (method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream'),
    'accept-encoding': 'identity',
    'user-agent': 'gatehouse',
    'x-request-id': requestIdOf(call),
  };
  if (method === 'POST') headers['content-type'] = 'application/json';
  if (from.protocolVersion !== undefined) headers['mcp-protocol-version'] = from.protocolVersion;
  if (call.era === 'modern') {
    addMirrors(headers, input, isChanged);
  } else {
    if (input.upstreamSessionId !== undefined) headers['mcp-session-id'] = input.upstreamSessionId;
    if (from.lastEventId !== undefined) headers['last-event-id'] = from.lastEventId;
  }
  if (from.traceparent !== undefined && traceparent.test(from.traceparent)) headers.traceparent = from.traceparent;
  addAuthority(headers, input);
  return headers;
}

/** Who calls, where the server may know it, and the binding's credential. */
export function addAuthority(
  headers: Record<string, string>,
  input: Pick<TransformInput, 'principal' | 'organization' | 'binding' | 'credential'> & { readonly reach?: Reach },
): void {
  const { binding, credential } = input;
  if (binding.server.trusted) addIdentity(headers, input);
  if (!binding.credential || !credential) return;
  const { name, template } = binding.credential.header;
  headers[name.toLowerCase()] = template.replace('{}', () => credential.reveal());
}

/**
 * Headers that mirror the body (SEP-2243): only where the body has what they say, and never what the caller wrote in them
 * where we changed the arguments.
 */
function addMirrors(headers: Record<string, string>, { call, message }: TransformInput, isChanged: boolean): void {
  if (message?.method === undefined) return;
  const { mcpMethod, mcpName, params } = call.headers;
  if (mcpMethod === message.method) headers['mcp-method'] = mcpMethod;
  if (mcpName !== undefined && message.name !== undefined) headers['mcp-name'] = mcpName;
  if (!isChanged) for (const [name, value] of params) headers[name] = value;
}

/** Header values are Latin-1 on the wire: what isn't printable ASCII goes percent-encoded, CR and LF never. */
function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]/gu, (character) => encodeURIComponent(character));
}

/** Open WebUI's own administrators have it as a role, where they are bound to (DESIGN ruling 18). */
const adminRole = 'MCP-Admin';

/** DESIGN ruling 7, REQUIREMENTS S3.5. What callers write in headers of these names reached nobody: they are made here. */
function addIdentity(
  headers: Record<string, string>,
  { principal, organization, reach }: Pick<TransformInput, 'principal' | 'organization'> & { readonly reach?: Reach },
): void {
  if (reach) {
    // Names of groups have no commas.
    headers['x-user-groups'] = reach.groups.map(({ name }) => name).join(',');
    headers['x-user-admin'] = String(reach.isAdmin || reach.roles.includes(adminRole));
  }
  headers['x-gateway-validated'] = 'true';
  headers['x-organization-id'] = organization.externalId ?? organization.id;
  if (principal.kind === 'user') {
    headers['x-user-id'] = headerText(principal.subject);
    if (principal.email !== undefined) headers['x-user-email'] = headerText(principal.email);
    // S3.5: the local part, as servers know it; a name where there is no address.
    const name = principal.email?.split('@')[0] ?? principal.name;
    if (name !== undefined) headers['x-user-name'] = headerText(name);
  } else headers['x-user-id'] = `key:${principal.keyId}`;
}

/** SECURITY 3.2. */
const CALL_MAX_MS = 3_600_000;

/** Streams that wait for events have no end; everything else has. `rpc`: the method, or `GET`; `tool`: the server's name. */
export function timeoutsFor(
  rpc: string | undefined,
  { server, shaping }: Binding,
  timeouts: TimeoutSettings,
  tool?: string,
): UpstreamTimeouts {
  if (rpc === 'GET' || rpc === 'subscriptions/listen') {
    return { headersMs: timeouts.callHeadersMs, idleMs: 0, totalMs: 0 };
  }
  const { callMaxMs = CALL_MAX_MS } = timeouts;
  const ofTool = rpc === 'tools/call' && tool !== undefined ? shaping?.timeoutMs?.get(tool) : undefined;
  if (ofTool !== undefined) {
    // Whoever knows how long a tool takes knows that it may be silent for as long.
    const totalMs = Math.min(ofTool, callMaxMs);
    return { headersMs: totalMs, idleMs: totalMs, totalMs };
  }
  const ofServer = server.totalTimeoutMs === undefined ? undefined : Math.min(server.totalTimeoutMs, callMaxMs);
  const total =
    rpc === 'tools/call' || rpc === 'prompts/get' || rpc === 'tasks/result'
      ? (ofServer ?? timeouts.callTotalMs)
      : rpc === 'resources/read'
        ? (ofServer ?? timeouts.resourceReadTotalMs)
        : rpc === 'initialize' || rpc === 'server/discover'
          ? timeouts.initializeTotalMs
          : timeouts.listTotalMs;
  return {
    headersMs: Math.min(timeouts.callHeadersMs, total),
    idleMs: Math.min(timeouts.idleMs, total),
    totalMs: total,
  };
}

/** The endpoint's one binding, where what the server says can go to the caller as it is. */
export function directBinding({ kind, bindings, listing, rights }: Endpoint): Binding | undefined {
  const [binding] = bindings;
  const isShaped =
    kind === 'everything' || listing.mode !== 'full' || binding?.shaping !== undefined || binding?.prefix;
  // With the caller's own account: they may have to be asked for it.
  if (!binding || isOfCaller(binding)) return undefined;
  return bindings.length === 1 && !isShaped && !rights && !binding.filters ? binding : undefined;
}
