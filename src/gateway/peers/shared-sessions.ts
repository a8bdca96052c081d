/**
 * Sessions with stateful servers, found by whichever replica serves their principal next instead of a second `initialize`.
 * What one replica makes anew takes the place of the old one for all.
 */

import type { Clock } from '#core/clock.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { UpstreamSessions as Rows, UpstreamSessionPlace } from '#records/upstream-sessions.ts';
import type { Route } from './link.ts';
import type { UpstreamSession } from './upstream-sessions.ts';

type Place = Pick<UpstreamSession, 'key' | 'variant' | 'route'>;

export interface SharedSessions {
  /** Its server remembers something in it. */
  covers(session: UpstreamSession): boolean;
  /** Undefined: there is none, or it cannot be found out now. */
  find(place: Place): Promise<UpstreamSession | undefined>;
  /** Failing, it stays this replica's own. */
  put(session: UpstreamSession): Promise<void>;
  /** It is in use: now and then the others are told. */
  touch(session: UpstreamSession): void;
  /** Only while it is still this one. */
  remove(session: UpstreamSession): Promise<void>;
  /** No replica has used it for as long as sessions are kept. */
  isUnused(session: UpstreamSession): Promise<boolean>;
}

export interface SharedSessionsDeps {
  readonly rows: Pick<Rows, 'find' | 'put' | 'remove'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Without use by any replica, then it is ended. */
  readonly idleMs: number;
}

/** Of the row's 32 KiB: what a server says of itself may be long. */
const MAX_HELLO_CHARACTERS = 8000;

export function openSharedSessions({ rows, clock, log, idleMs }: SharedSessionsDeps): SharedSessions {
  /** Monotonic milliseconds. */
  const toldAt = new WeakMap<UpstreamSession, number>();

  async function write(session: UpstreamSession): Promise<void> {
    if (!isStateful(session.route) || session.id === undefined) return;
    toldAt.set(session, clock.monotonic());
    await rows.put(placeOf(session), rowOf(session), clock.now() + idleMs);
  }

  const put = (session: UpstreamSession) =>
    write(session).catch((error) =>
      log.warn({ err: error }, 'a session upstream is not shared with the other replicas'),
    );

  return {
    covers: ({ route, id }) => isStateful(route) && id !== undefined,
    async find(place) {
      if (!isStateful(place.route)) return undefined;
      try {
        const row = await rows.find(placeOf(place));
        const session = row && sessionOf(place, row);
        // It lives on: the others are told so.
        if (session) await put(session);
        return session;
      } catch (error) {
        log.warn({ err: error }, 'sessions upstream of other replicas are not known');
        return undefined;
      }
    },
    put,
    touch(session) {
      const at = toldAt.get(session);
      if (at !== undefined && clock.monotonic() - at > idleMs / 3)
        write(session).catch((error) =>
          log.debug({ err: error }, 'the other replicas do not know that a session is used'),
        );
    },
    remove: (session) => rows.remove(placeOf(session), rowOf(session)),
    async isUnused(session) {
      return (await rows.find(placeOf(session))) === undefined;
    },
  };
}

function isStateful({ binding }: Route): boolean {
  const { transport } = binding.server;
  return transport.kind === 'http' && transport.state === 'stateful';
}

function placeOf({ route: { organization, binding, principal, account = '' }, variant }: Place): UpstreamSessionPlace {
  const { credential, server } = binding;
  return {
    org: organization.id,
    binding: binding.id,
    principal: principal.key,
    credential: credential ? `${credential.id}:${credential.version}` : account,
    variant: JSON.stringify([server.transport, server.route ?? '', variant]),
  };
}

/** The same session makes the same row: it is compared before it is removed. */
function rowOf({ id = '', version, hello }: UpstreamSession): JsonObject {
  const { instructions, ...short } = hello;
  const fits = JSON.stringify(hello).length <= MAX_HELLO_CHARACTERS;
  return { id, version, hello: fits ? hello : short };
}

function sessionOf({ key, variant, route }: Place, row: JsonObject): UpstreamSession | undefined {
  const [id, version, hello] = [stringIn(row, 'id'), stringIn(row, 'version'), objectIn(row, 'hello')];
  return id === undefined || version === undefined || !hello ? undefined : { key, variant, route, id, version, hello };
}
