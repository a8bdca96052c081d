/** Whether a call can go to its server as it is, or the engine has to speak for the caller: known beforehand, or by the first answer. */
import { LRUCache } from 'lru-cache';
import type { Era } from '#mcp/versions.ts';
import type { Binding, ServerDefinition } from '#records/snapshot.ts';
import type { Breakers } from './breakers.ts';
import type { Received } from './call.ts';
import type { Engine, EngineRequest } from './engine/engine.ts';
import { judgeAnswer, type Verdict } from './engine/first-answer.ts';
import type { Eras } from './peers/eras.ts';
import type { Session } from './session.ts';

export interface BridgingDeps {
  readonly eras: Eras;
  readonly breakers: Pick<Breakers, 'report'>;
}

export interface Bridging {
  /** The server doesn't speak the caller's era, or its session is the gateway's own. */
  isBridged(call: Received, binding: Binding, session: Session | undefined): boolean;
  /**
   * The first answer of a server says whether it speaks the caller's era, and whether it still knows the session. True: the
   * engine has taken the call over.
   */
  reconsider(request: EngineRequest): boolean;
}

export function openBridging({ eras, breakers }: BridgingDeps, engine: Pick<Engine, 'handle'>): Bridging {
  /** Sessions whose server forgot them: they go on as the gateway's own. */
  const lost = new LRUCache<string, true>({ max: 50_000 });

  /** Servers are replaced by newer and older ones: what was known of this one may be true no longer. */
  function isDoubtful(verdict: Verdict, server: ServerDefinition, era: Era): boolean {
    const known = eras.speaks(server, era);
    if (verdict !== 'unclear' && (verdict !== 'refused' || known !== undefined)) return false;
    if (known === true) eras.doubt(server);
    return known !== false;
  }

  return {
    isBridged(call, { server }, session) {
      if (session && (session.upstreamId === '' || lost.has(session.digest))) return true;
      // Its clients speak what they like, the gateway what it is pinned to.
      if (server.transport.protocolVersion !== undefined) return true;
      return eras.speaks(server, call.era) === false;
    },
    reconsider(request) {
      const { call, access, session, first } = request;
      const server = access.endpoint.bindings[0]?.server;
      if (!server || !first) return false;
      const verdict = judgeAnswer(call, first);
      if (verdict === 'speaks') eras.note(server, call.era, true);
      if (verdict === 'session_lost' && session && call.req.method !== 'DELETE') lost.set(session.digest, true);
      else if (!isDoubtful(verdict, server, call.era)) return false;
      if (call.asked) breakers.report(call.asked, 'answered');
      call.asked = undefined;
      // It asks the server again, by itself.
      call.place?.();
      engine.handle(request);
      return true;
    },
  };
}
