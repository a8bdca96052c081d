/** The GET stream of a legacy client's session. What the session subscribes to may change on any replica while it is open. */
import { GatehouseError } from '#core/error.ts';
import type { ListKind } from '#gateway/catalog/lists.ts';
import { viewOf } from '#gateway/catalog/view.ts';
import type { Session } from '#gateway/session.ts';
import { toLegacyNotification } from '#mcp/bridge/notifications.ts';
import type { EngineAsked } from './asked.ts';
import type { Asking } from './asking.ts';
import { Hearing } from './client-streams.ts';
import { askingOf, type LegacyDeps } from './legacy-asking.ts';
import { stateOf } from './session-changes.ts';

const allKinds: ReadonlySet<ListKind> = new Set(['tools', 'prompts', 'resources', 'templates']);
/** Until a state that could not be read is read again. */
const AGAIN_MS = 2000;

export async function openStream(asked: EngineAsked, session: Session, deps: LegacyDeps): Promise<void> {
  const { reply } = asked;
  const { digest, client } = session;
  if (!reply.canStream) throw new GatehouseError('not_acceptable');
  const end = () => reply.finish('', 200);
  // Each message goes to one of a session's streams (2025-11-25, multiple connections): the newest, whose client is there.
  deps.streams.get(digest)?.stop();
  deps.streams.set(digest, reply);
  reply.openStream(end);
  const hearing = new Hearing(reply.signal, tellUnasked(asked, session), deps);
  let current = asked;
  const hear = async () => {
    const { subscriptions } = await stateOf(asked, session, deps);
    const as = { client, lane: digest, signal: reply.signal, params: {}, logLevel: undefined };
    await hearing.want(askingOf(current, as, deps), { kinds: allKinds, uris: [...subscriptions].sort() });
  };
  const hearAgain = () => {
    if (reply.over) return;
    if (deps.sessions.isEnded(session)) return end();
    hear().catch(() => setTimeout(hearAgain, AGAIN_MS).unref());
  };
  const stop = deps.states.onChanged((changed) => {
    if (changed === undefined || changed === digest) hearAgain();
  });
  reply.onRenewed = ({ organization, endpoint, reach }) => {
    current = { ...asked, organization, reach, view: viewOf(endpoint) };
    hearAgain();
  };
  const leave = () => {
    stop();
    if (deps.streams.get(digest) === reply) deps.streams.delete(digest);
  };
  if (reply.over) leave();
  else reply.signal.addEventListener('abort', leave, { once: true });
  hearAgain();
}

function tellUnasked({ reply }: EngineAsked, { client }: Session): Asking['notify'] {
  return (method, params) => {
    const told = toLegacyNotification({ method, params }, client.version);
    if (told) reply.event({ jsonrpc: '2.0', method: told.method, ...(told.params ? { params: told.params } : {}) });
  };
}
