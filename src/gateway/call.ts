/**
 * What the rooms learn of one request, from arrival to its last byte. Each room returns its own small value; this is what
 * the account room needs of them all, whatever room the request ends in.
 */
import type { Clock } from '#core/clock.ts';
import { type OrgId, uuidv7 } from '#core/ids.ts';
import type { McpPath } from '#core/mcp-path.ts';
import type { Principal } from '#core/principal.ts';
import type { ClientRequest, ClientResponse } from '#http/exchange.ts';
import type { RequestHeaders } from '#http/headers.ts';
import type { Message } from '#mcp/message.ts';
import type { Era } from '#mcp/versions.ts';
import type { PolicyNote } from '#records/call-record.ts';
import type { Endpoint } from '#records/snapshot.ts';
import type { Access } from './authorize.ts';
import type { Asking } from './breakers.ts';
import type { Door } from './channel/door.ts';
import type { Entrance } from './entrance.ts';
import type { Caller } from './identify.ts';
import type { Relay } from './relay.ts';
import type { SpanPlace } from './tracing.ts';

export interface Call {
  readonly id: string;
  readonly req: ClientRequest;
  readonly res: ClientResponse;
  readonly path: McpPath;
  readonly entrance: Entrance;
  readonly door: Door | undefined;
  /** Unix milliseconds, and monotonic milliseconds for the duration. */
  readonly at: number;
  readonly startedAt: number;
  address: string;
  headers: RequestHeaders | undefined;
  principal: Principal | undefined;
  message: Message | undefined;
  era: Era;
  org: OrgId | undefined;
  /** The row of the person, once they are let in: the organization's directory's, where it keeps one of its own. */
  userId: string | undefined;
  endpoint: Endpoint | undefined;
  server: string | undefined;
  bytesIn: number;
  bytesOut: number;
  /** Milliseconds until the upstream's head; undefined: none came. */
  upstreamMs: number | undefined;
  /** What content filters found, `filter:what:action`: names, never the content. */
  findings: readonly string[] | undefined;
  /** With which pass its upstream was asked: the breaker is told what became of it. */
  asked: Asking | undefined;
  /** What is given back at the end: the caller's place among concurrent calls. */
  release: (() => void) | undefined;
  /** Its place at the server that it is passed on to. */
  place: (() => void) | undefined;
  /** The limits of the server that it is for have counted it. */
  counted: boolean;
  /** Takes it out of the calls that are judged anew when something changes about the caller. */
  leave: (() => void) | undefined;
  /** Something changed about the caller before it was let in anywhere: who they are now. */
  doubted: Caller | undefined;
  /** What goes on upstream; undefined: nothing does yet. Plain fields, no closures: those would keep all of the call alive for longer. */
  relay: (Pick<Relay, 'cut'> & { renewed?(access: Access): boolean }) | undefined;
  /** What policies said of what it asked for. */
  policy: PolicyNote | undefined;
  accounted: boolean;
  /** Id of the credential that went upstream. */
  credential: string | undefined;
  /** Of its answer, against what it would have been unabridged. */
  tokensSaved: number;
  /** In the trace; undefined: nobody traces. */
  span: SpanPlace | undefined;
}

/** A request whose head passed the receive room. */
export type Received = Call & { headers: RequestHeaders };

/** One literal: V8 keeps one shape for all calls. */
export function newCall(
  clock: Clock,
  { req, res, path, entrance, door }: Pick<Call, 'req' | 'res' | 'path' | 'entrance' | 'door'>,
): Call {
  return {
    id: uuidv7(clock.now()),
    req,
    res,
    path,
    entrance,
    door,
    at: clock.now(),
    startedAt: clock.monotonic(),
    address: '',
    headers: undefined,
    principal: undefined,
    message: undefined,
    era: 'legacy',
    org: undefined,
    userId: undefined,
    endpoint: undefined,
    server: undefined,
    bytesIn: 0,
    bytesOut: 0,
    upstreamMs: undefined,
    findings: undefined,
    asked: undefined,
    release: undefined,
    place: undefined,
    counted: false,
    leave: undefined,
    doubted: undefined,
    relay: undefined,
    policy: undefined,
    accounted: false,
    credential: undefined,
    tokensSaved: 0,
    span: undefined,
  };
}

export const shownCall = ({ id, endpoint, at }: Call, isStream: boolean) =>
  ({ id, kind: isStream ? 'stream' : 'call', endpoint: endpoint?.name, at }) as const;

/**
 * What the call is called in answers, logs and upstream: the caller's own name for it where that is a plain one (REQUIREMENTS
 * S4.11), so that both sides' logs meet. Never what rows are known by: callers may say the same twice.
 */
export function requestIdOf({ id, headers }: Pick<Call, 'id' | 'headers'>): string {
  const said = headers?.requestId;
  return said !== undefined && /^[A-Za-z0-9._-]{8,64}$/.test(said) ? said : id;
}
