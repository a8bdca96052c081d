/**
 * The data plane: one request through the rooms (DESIGN 4). Each room takes what the ones before it learnt and returns its
 * own value; a room that must wait returns a promise, on a warm call none does. One try/catch, here, at the edge.
 */
import type { Upstream } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { redactSecret, type Secret } from '#core/secret.ts';
import type { ClientRequest, ClientResponse } from '#http/exchange.ts';
import type { JsonLimits } from '#mcp/json-scan.ts';
import type { CallRecord, CallRecorder } from '#records/call-record.ts';
import { type Binding, type CredentialOpener, lineOf, type ServerDefinition } from '#records/snapshot.ts';
import { callRecord, logFields } from './account.ts';
import { type Access, type AuthorizeDeps, authorize, checkStillOpen, refusedIn } from './authorize.ts';
import { type Breakers, reasonOf, verdictOf } from './breakers.ts';
import { openBridging } from './bridging.ts';
import type { Bulkheads } from './bulkheads.ts';
import { type Call, newCall, type Received, shownCall } from './call.ts';
import { takeSeat } from './channel/door.ts';
import type { Engine, EngineDeps } from './engine/engine.ts';
import type { Asked } from './entrance.ts';
import type { FindEvidence } from './evidence.ts';
import type { InUse } from './health/health.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Caller, Identifier } from './identify.ts';
import { identifyCall, recheckAt } from './identify-call.ts';
import { joinHeld, type Limits } from './limits.ts';
import type { LiveCalls } from './live-calls.ts';
import { logNotEnabled, notEnabled } from './not-enabled.ts';
import type { Eras } from './peers/eras.ts';
import { readMessage } from './read-message.ts';
import { type ReceiveOptions, receive } from './receive.ts';
import { type Outcome, Relay } from './relay.ts';
import { type RenderOptions, renderError } from './render.ts';
import { openRepeats, type Repeats, repeatOnce } from './repeat.ts';
import { checkScopes } from './scopes.ts';
import { clientOf, type Session, type SessionOwner, type Sessions } from './session.ts';
import { releaseAll, takePlace } from './take-place.ts';
import type { Tracing } from './tracing.ts';
import { directBinding, type TimeoutSettings, transform } from './transform.ts';

export interface GatewayDeps extends AuthorizeDeps {
  readonly identifier: Identifier;
  readonly credentials: CredentialOpener;
  readonly sessions: Sessions;
  readonly limits: Limits;
  readonly recorder: CallRecorder;
  readonly heartbeat: Heartbeat;
  readonly live: LiveCalls;
  readonly breakers: Pick<Breakers, 'admit' | 'report'>;
  readonly health?: Pick<InUse, 'note'>;
  readonly bulkheads: Bulkheads;
  /** Undefined: one of its own. */
  readonly repeats?: Repeats;
  readonly eras: Eras;
  readonly openEngine: (reply: EngineDeps['reply']) => Engine;
  readonly upstreams: { get(server: ServerDefinition, org?: OrgId): Upstream };
  readonly observe: (record: CallRecord) => void;
  readonly evidence?: FindEvidence;
  /** undefined: off. */
  readonly tracing?: Tracing | undefined;
  readonly logRequest: (record: CallRecord, fields: object) => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly receive: ReceiveOptions;
  readonly render: RenderOptions;
  readonly timeouts: TimeoutSettings;
  /** Milliseconds: streams that only wait end then, and are opened anew. */
  readonly streamMaxAgeMs: number;
  readonly json: JsonLimits;
  readonly maxBodyBytes: number;
}

export type McpHandler = (req: ClientRequest, res: ClientResponse, asked: Asked) => void;

/** Goes on at once with a value, later with a promised one: the warm path makes no promise. */
function then<T>(value: T | Promise<T>, next: (value: T) => void, fail: (thrown: unknown) => void): void {
  if (value instanceof Promise) {
    value.then(next).catch(fail);
    return;
  }
  next(value);
}

/** As long as a token is accepted, clocks that are off included (SECURITY B7). */
const SKEW_MS = 60_000;

function endOfToken({ principal: { expiresAt } }: Caller): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt + SKEW_MS;
}

function ownerOf({ principal }: Caller, { organization, endpoint }: Access, server: string): SessionOwner {
  return { principal: principal.key, org: organization.id, endpoint: endpoint.id, server };
}

/** It waits for what may be said, and answers no call. */
const isStream = ({ req, message }: Call) => req.method === 'GET' || message?.method === 'subscriptions/listen';

interface Passing {
  readonly caller: Caller;
  readonly access: Access;
  readonly binding: Binding;
  readonly session: Session | undefined;
  readonly owner: SessionOwner;
  readonly fail: (thrown: unknown) => void;
}

function checkEnabled({ server }: Binding): void {
  if (!server.enabled) {
    throw notEnabled(server);
  }
}

export function openGateway(deps: GatewayDeps): McpHandler {
  const { clock, snapshots, holdings, policies, repeats = openRepeats(deps) } = deps;
  const judging = { snapshots, holdings, policies };

  function account(call: Call, outcome: Outcome, done: () => void): void {
    if (call.accounted) return;
    if (call.asked) deps.breakers.report(call.asked, verdictOf(outcome), reasonOf(outcome));
    call.asked = undefined;
    if (!outcome.open) {
      call.accounted = true;
      call.release?.();
      call.place?.();
      call.leave?.();
      call.relay = undefined;
    }
    const organization = call.org && deps.snapshots.find(call.org);
    if (outcome.error instanceof GatehouseError && outcome.error.code === 'not_enabled')
      logNotEnabled(deps.log, call, organization);
    const evidence = organization && deps.evidence?.(call, organization);
    const record = callRecord(call, outcome, { monotonicNow: clock.monotonic(), evidence });
    if (!outcome.open) {
      deps.observe(record);
      deps.tracing?.end(record, call);
      deps.logRequest(record, logFields(record, outcome.error));
      call.door?.heard?.(record);
    }
    const write = (final: CallRecord) =>
      deps.recorder.record(final, () => {
        try {
          done();
        } catch (thrown) {
          // Whatever could not be answered must not look as if an answer were still to come.
          deps.log.error({ err: thrown, requestId: call.id }, 'an answer could not be written');
          call.res.destroy();
        }
      });
    // Sealed once for a call: its records are written in the order in which they were made.
    if (evidence?.content) void evidence.content.then((content) => write({ ...record, content }));
    else write(record);
  }

  function refuse(call: Call, thrown: unknown): void {
    const error = asGatehouseError(thrown);
    if (call.accounted) return;
    call.org ??= refusedIn(error, call, snapshots);
    account(call, { status: error.row.http, open: false, error }, () => {
      // The listener may have answered a broken request itself.
      if (!call.res.headersSent && call.res.socket?.writableEnded === false)
        renderError(call.res, call, { error, options: deps.render });
    });
  }

  /** SECURITY 3.2. What is inside a channel lasts as long as the channel. */
  function endOf(call: Received, caller: Caller): number | undefined {
    const end = endOfToken(caller);
    if (!isStream(call) || call.door?.isInner) return end;
    return Math.min(end ?? Number.POSITIVE_INFINITY, call.at + deps.streamMaxAgeMs);
  }

  const { watch } = deps.heartbeat;
  const engine = deps.openEngine({ account, refuse, watch, monotonic: clock.monotonic });
  const { isBridged, reconsider } = openBridging(deps, engine);

  /** From here on a change about the caller reaches the call, whatever room it is in. */
  function follow(call: Received, caller: Caller): void {
    const { path, headers } = call;
    call.leave = deps.live.add({
      caller,
      organization: () => call.org,
      user: () => call.userId,
      async judge() {
        const again = await (recheckAt(call, deps.identifier) ?? deps.identifier.recheck(headers));
        if (!call.endpoint) {
          // It is being let in by what was so before the change.
          call.doubted = again;
          return;
        }
        const access = await authorize(again, {
          path,
          selector: headers.organization,
          ...judging,
        });
        // A stream of several servers goes on with those that are left.
        const hasAny = access.endpoint.bindings.some(({ server }) => server.enabled);
        if (hasAny && call.relay?.renewed?.(access)) return;
        checkStillOpen(call.endpoint, access.endpoint, call.server);
      },
      cut: (error) => (call.relay ? call.relay.cut(error) : refuse(call, error)),
      shown: () => shownCall(call, isStream(call)),
    });
  }

  function enter(call: Received, caller: Caller, access: Access): void {
    const { principal } = caller;
    // Its channel has a place already, or gives it up.
    if (call.door?.isInner && call.req.method !== 'POST') return;
    const leave = deps.limits.enter(isStream(call) ? 'stream' : 'call', principal.key, access.organization.id);
    call.release = joinHeld(call.release, leave);
  }

  /** An ended session is ended here whatever the database says; other replicas must hear of it. */
  function endSession(session: Session): void {
    deps.sessions.end(session).catch((error) => deps.log.error({ err: error }, 'the end of a session was not stored'));
  }

  /** `direct`: a session of the server itself may be meant; one of the gateway's own always. */
  function findSession(call: Received, owner: SessionOwner, direct: boolean): Session | undefined {
    const id = call.headers.sessionId;
    if (id === undefined || call.era === 'modern' || call.message?.method === 'initialize') return undefined;
    const session =
      (direct ? deps.sessions.find(id, owner) : undefined) ?? deps.sessions.find(id, { ...owner, server: '' });
    if (!session) throw new GatehouseError('session_unknown');
    return session;
  }

  function openCredential({ credential }: Binding): Secret | undefined | Promise<Secret> {
    return credential ? (deps.credentials.find(credential) ?? deps.credentials.open(credential)) : undefined;
  }

  function forward(call: Received, caller: Caller, access: Access, fail: (thrown: unknown) => void): void {
    const { endpoint } = access;
    if (call.accounted) return;
    const binding = directBinding(endpoint);
    if (binding) {
      call.server = binding.server.key;
      checkEnabled(binding);
    }
    if (!deps.recorder.accepting) throw new GatehouseError('audit_full', { retryAfterSeconds: 5 });
    const owner = ownerOf(caller, access, binding ? lineOf(binding.server) : '');
    const session = findSession(call, owner, binding !== undefined);
    if (!binding || call.door?.facade || isBridged(call, binding, session)) {
      enter(call, caller, access);
      engine.handle({ call, caller, access, session, endsAt: endOf(call, caller), first: undefined });
      return;
    }
    then(
      takePlace(call, { asker: access, server: binding.server.id }, deps),
      () => {
        if (!call.accounted) pass(call, { caller, access, binding, session, owner, fail });
        else releaseAll(call);
      },
      fail,
    );
  }

  function pass(call: Received, { caller, access, binding, session, owner, fail }: Passing): void {
    const { organization } = access;
    deps.health?.note(organization, binding);
    const admitted = deps.breakers.admit(organization.id, lineOf(binding.server));
    call.asked = { pass: admitted, org: organization.id, server: lineOf(binding.server) };
    repeats.note(lineOf(binding.server));
    enter(call, caller, access);
    then(
      openCredential(binding),
      (credential) => {
        if (call.accounted) return;
        call.credential = binding.credential?.id;
        const outgoing = transform({
          call,
          principal: caller.principal,
          reach: access.reach,
          organization,
          binding,
          message: call.message,
          credential,
          upstreamSessionId: session?.upstreamId,
          timeouts: deps.timeouts,
        });
        const start = () => relay.attach(deps.upstreams.get(binding.server, organization.id).start(outgoing, relay));
        const redact = (body: Buffer) => (credential ? redactSecret(body, credential) : body);
        const relay = new Relay(call, {
          account,
          refuse,
          sealSession: (upstreamId) => deps.sessions.seal(owner, upstreamId, clientOf(call.message)),
          reconsider: (status, body) =>
            reconsider({
              call,
              caller,
              access,
              session,
              endsAt: endOf(call, caller),
              first: { status, body: body && redact(body) },
            }),
          again: repeatOnce(call, {
            ...{ repeats, clock, start, fail },
            line: lineOf(binding.server),
            totalMs: outgoing.timeouts.totalMs,
          }),
          endSession: session && call.req.method === 'DELETE' ? () => endSession(session) : undefined,
          watch: deps.heartbeat.watch,
          endsAt: endOf(call, caller),
          monotonic: clock.monotonic,
          redact,
        });
        call.relay = relay;
        start();
      },
      fail,
    );
  }

  function openChannel(call: Received, caller: Caller, access: Access): void {
    if (call.accounted) return;
    if (call.req.method !== 'GET') throw new GatehouseError('method_not_allowed');
    const binding = directBinding(access.endpoint);
    if (binding) checkEnabled(binding);
    if (!deps.recorder.accepting) throw new GatehouseError('audit_full', { retryAfterSeconds: 5 });
    enter(call, caller, access);
    takeSeat(call, caller, { account, watch: deps.heartbeat.watch, endsAt: endOfToken(caller) });
  }

  function admit(call: Received, caller: Caller, fail: (thrown: unknown) => void): void {
    const access = authorize(caller, {
      path: call.path,
      selector: call.headers.organization,
      ...judging,
    });
    then(
      access,
      (admitted) => {
        const { doubted } = call;
        if (doubted) {
          call.doubted = undefined;
          return admit(call, doubted, fail);
        }
        call.org = admitted.organization.id;
        const { userId, directoryUserId } = admitted.reach.holdings;
        call.userId = directoryUserId ?? userId;
        call.endpoint = admitted.endpoint;
        checkScopes(caller.principal, call.message);
        const enterHouse = (held: (() => void) | undefined) => {
          call.release = joinHeld(call.release, held);
          if (call.accounted) return releaseAll(call);
          if (call.door?.opening) return openChannel(call, caller, admitted);
          call.door?.admitted?.(call.message);
          forward(call, caller, admitted, fail);
        };
        then(deps.limits.takeOrganization(admitted, call.message?.kind === 'request'), enterHouse, fail);
      },
      fail,
    );
  }

  function letIn(call: Received, caller: Caller, fail: (thrown: unknown) => void): void {
    deps.tracing?.adopt(call);
    admit(call, caller, fail);
  }

  function run(call: Call, fail: (thrown: unknown) => void): void {
    const received = receive(call, deps.receive);
    deps.tracing?.begin(received);
    identifyCall(received, deps, {
      fail,
      next: (caller) => {
        call.principal = caller.principal;
        follow(received, caller);
        then(
          deps.limits.takePrincipal(caller.principal.key),
          () => {
            call.door?.check?.(caller);
            if (call.door?.opening) admit(received, caller, fail);
            else readMessage(received, deps, { fail, next: () => letIn(received, caller, fail) });
          },
          fail,
        );
      },
    });
  }

  return (req, res, { path, entrance, door }) => {
    const call = newCall(clock, { req, res, path, entrance, door });
    const fail = (thrown: unknown) => refuse(call, thrown);
    try {
      run(call, fail);
    } catch (thrown) {
      fail(thrown);
    }
  };
}
