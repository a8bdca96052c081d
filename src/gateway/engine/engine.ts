/**
 * Requests that cannot pass through as bytes: several servers behind one endpoint, a client and a server of different
 * eras, tools that the organization shows its own way. N clients' eras and M servers' eras meet in one canonical form
 * (revision 2026-07-28): `legacy-front.ts` and `modern-front.ts` towards clients, `peers/` towards servers.
 */
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { parseJsonObject } from '#core/json.ts';
import type { Access } from '#gateway/authorize.ts';
import type { Received } from '#gateway/call.ts';
import { viewOf } from '#gateway/catalog/view.ts';
import type { Caller } from '#gateway/identify.ts';
import type { Eras } from '#gateway/peers/eras.ts';
import { SessionRefused } from '#gateway/peers/upstream-sessions.ts';
import { WireError } from '#gateway/peers/wire.ts';
import type { Session } from '#gateway/session.ts';
import { modernStatus, RpcError, toModernError } from '#mcp/bridge/errors.ts';
import type { EngineAsked } from './asked.ts';
import { routeTo } from './asking.ts';
import type { FirstAnswer } from './first-answer.ts';
import type { LegacyDeps } from './legacy-asking.ts';
import { handleLegacy } from './legacy-front.ts';
import { handleModern } from './modern-front.ts';
import { Reply, type ReplyDeps } from './reply.ts';

export interface Engine {
  /** Answers, whatever happens. */
  handle(request: EngineRequest): void;
}

export interface EngineRequest {
  readonly call: Received;
  readonly caller: Caller;
  readonly access: Access;
  readonly session: Session | undefined;
  readonly endsAt: number | undefined;
  /** What the server said to the caller's own words; undefined: it wasn't asked. */
  readonly first: FirstAnswer | undefined;
}

export interface EngineDeps extends LegacyDeps {
  readonly eras: Eras;
  readonly reply: Omit<ReplyDeps, 'endsAt'>;
}

export function openEngine(deps: EngineDeps): Engine {
  async function answer(request: EngineRequest, reply: Reply): Promise<void> {
    const { call, access, caller } = request;
    const asked = {
      call,
      reply,
      principal: caller.principal,
      organization: access.organization,
      view: viewOf(access.endpoint),
      reach: access.reach,
      session: request.session,
      message: call.message ? parseJsonObject(call.message.bytes.toString('utf8')) : undefined,
    };
    if (request.first && (await isAnswered(asked, request))) {
      const { status, body } = request.first;
      return reply.finish(body?.toString('utf8') ?? '', status);
    }
    return call.era === 'modern' ? handleModern(asked, deps) : handleLegacy(asked, deps);
  }

  /** The server does speak the caller's era, or it can't be found out: what it said is the answer. */
  async function isAnswered(asked: EngineAsked, { call, session }: EngineRequest): Promise<boolean> {
    const [part] = asked.view.parts;
    if (session || !part) return false;
    const { era } = await deps.peers.find(routeTo(asked, part.binding)).catch(() => call);
    if (era === call.era) return true;
    deps.eras.note(part.binding.server, call.era, false);
    return false;
  }

  return {
    handle(request) {
      const reply = new Reply(request.call, { ...deps.reply, endsAt: request.endsAt });
      answer(request, reply).catch((thrown) => {
        const { first, session } = request;
        const isRefused = thrown instanceof GatehouseError && thrown.cause instanceof SessionRefused;
        // A server that neither knows the session nor makes another: the client hears what the server said.
        if (first && session && isRefused && !reply.over)
          reply.finish(first.body?.toString('utf8') ?? '', first.status);
        else fail(request.call, reply, thrown);
      });
    },
  };
}

function fail(call: Received, reply: Reply, thrown: unknown): void {
  if (reply.over) return;
  if (thrown instanceof RpcError && call.message?.kind === 'request') {
    if (call.era === 'legacy') reply.error(thrown, 200);
    else reply.error(toModernError(thrown), modernStatus(thrown));
  } else
    reply.fail(
      thrown instanceof WireError ? thrown.error : thrown instanceof GatehouseError ? thrown : asGatehouseError(thrown),
    );
}
