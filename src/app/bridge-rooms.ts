/** The engine and what it works with: peers of both eras, lists, questions, parked calls. */
import type { Upstream } from '#adapters/upstream/upstream.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { OrgId } from '#core/ids.ts';
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization } from '#db/scope.ts';
import type { Breakers } from '#gateway/breakers.ts';
import type { Bulkheads } from '#gateway/bulkheads.ts';
import { type Lists, openLists } from '#gateway/catalog/lists.ts';
import { openPinnedLists } from '#gateway/catalog/pinned-lists.ts';
import { openPins } from '#gateway/catalog/pins.ts';
import { askingForAccounts } from '#gateway/engine/account-questions.ts';
import { openConfirmations } from '#gateway/engine/confirmations.ts';
import { openConversations, RESUME } from '#gateway/engine/conversations.ts';
import { type Engine, type EngineDeps, openEngine } from '#gateway/engine/engine.ts';
import type { Running } from '#gateway/engine/legacy-asking.ts';
import { ANSWER } from '#gateway/engine/legacy-front.ts';

import { openParked } from '#gateway/engine/parked.ts';
import { openQuestions } from '#gateway/engine/questions.ts';
import { openRequestStates } from '#gateway/engine/request-states.ts';
import { openTaskIds } from '#gateway/engine/task-ids.ts';
import { openTaskQuestions } from '#gateway/engine/task-questions.ts';
import { openEars } from '#gateway/engine/upstream-ears.ts';
import type { InUse } from '#gateway/health/health.ts';
import type { Limits } from '#gateway/limits.ts';
import { type Eras, openEras } from '#gateway/peers/eras.ts';
import { openLegacyPeer } from '#gateway/peers/legacy-peer.ts';
import { openLink } from '#gateway/peers/link.ts';
import { openModernPeer } from '#gateway/peers/modern-peer.ts';
import { openPeers } from '#gateway/peers/peers.ts';
import { openSharedSessions } from '#gateway/peers/shared-sessions.ts';
import { openUpstreamSessions } from '#gateway/peers/upstream-sessions.ts';
import type { Repeats } from '#gateway/repeat.ts';
import type { Cancellations } from '#gateway/replicas/cancellations.ts';
import type { Replicas } from '#gateway/replicas/replicas.ts';
import type { Sessions } from '#gateway/session.ts';
import type { SessionStates } from '#records/session-states.ts';
import type { CredentialOpener, ServerDefinition, SnapshotStore } from '#records/snapshot.ts';
import { listToolPins, recordSighting } from '#records/tool-pins.ts';
import type { UpstreamAccounts } from '#records/upstream-accounts.ts';
import type { UpstreamSessions as SharedSessionRows } from '#records/upstream-sessions.ts';
import type { Closers } from './closers.ts';
import { openFilters } from './filters.ts';
import { timeoutSettings } from './gateway-settings.ts';
import { openRootSealer, type RootSecrets } from './root-keys.ts';

export interface BridgeRoomsDeps {
  readonly upstreams: { get(server: ServerDefinition, org?: OrgId): Upstream };
  readonly credentials: CredentialOpener;
  readonly accounts: UpstreamAccounts;
  readonly breakers: Breakers;
  readonly bulkheads: Bulkheads;
  readonly repeats: Repeats;
  readonly health: InUse;
  readonly limits: Limits;
  readonly sessions: Sessions;
  readonly states: SessionStates;
  readonly replicas: Replicas;
  readonly cancellations: Cancellations;
  readonly sharedSessions: SharedSessionRows;
  readonly feed: ChangeFeed;
  readonly db: Db;
  readonly snapshots: SnapshotStore;
  readonly secrets: RootSecrets;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
}

export interface BridgeRooms {
  readonly eras: Eras;
  readonly openEngine: (reply: EngineDeps['reply']) => Engine;
}

const ERA_TTL_MS = 3_600_000;
const IDLE_MS = 300_000;
const ANSWER_MS = 600_000;

export function openBridgeRooms(config: Config, deps: BridgeRoomsDeps): BridgeRooms {
  const { clock, log, closers } = deps;
  const eras = openEras({ clock, ttlMs: ERA_TTL_MS });
  const link = openLink({ ...deps, timeouts: timeoutSettings(config) });
  const shared = openSharedSessions({ rows: deps.sharedSessions, clock, log, idleMs: IDLE_MS });
  const upstreamSessions = openUpstreamSessions({ link, clock, log, idleMs: IDLE_MS, max: 5000, shared });
  const unsubscribe = deps.feed.subscribe((change) => {
    if (change.kind === 'session') upstreamSessions.endLane(change.id);
  });
  closers.add('sessions upstream', unsubscribe);
  closers.add('sessions upstream', () => upstreamSessions.close());
  const legacy = openLegacyPeer({ link, sessions: upstreamSessions, log });
  const modern = openModernPeer({ link });
  const peers = openPeers({ eras, modern, legacy, log });
  const sealer = openRootSealer(deps.secrets, 'mcp-request-state');
  const { replicas, cancellations, states } = deps;
  const requestStates = openRequestStates({ sealer, clock, patienceMs: ANSWER_MS });
  const parked = openParked({
    sealer,
    clock,
    replica: replicas.id,
    patienceMs: ANSWER_MS,
    perPrincipal: 20,
    perOrganization: 250,
    max: 1000,
  });
  closers.add('parked calls', () => parked.close());
  const lists = openPinned(openLists({ peers, clock, log, patienceMs: 40, firstPatienceMs: 2000 }), deps);
  closers.add('lists', () => lists.close());
  const questions = openQuestions({ replica: replicas.id });
  const running: Running = new Map();
  const taskQuestions = openTaskQuestions({ legacy, replicas, log, max: 1000 });
  closers.add('questions of tasks', () => taskQuestions.close());
  const rooms = {
    taskIds: openTaskIds(openRootSealer(deps.secrets, 'mcp-task-id')),
    taskQuestions,
    replica: replicas.id,
    now: () => clock.now(),
    ...{ peers, eras, lists, questions, running, states, replicas, cancellations },
    sessions: deps.sessions,
    limits: deps.limits,
    streams: new Map(),
    ears: openEars({ peers, lists, log }),
    filters: openFilters(),
    conversations: askingForAccounts(openConversations({ peers, parked, states: requestStates, replicas, lists }), {
      accounts: deps.accounts,
      ...{ sealer, clock, patienceMs: ANSWER_MS },
    }),
    confirmations: openConfirmations({ sealer, clock, patienceMs: ANSWER_MS }),
  };
  closers.add(
    'cancellations',
    cancellations.subscribe((key) => running.get(key)?.abort('cancelled')),
  );
  replicas.handle(RESUME, (body, { signal, emit }) => {
    const ticket = { replica: replicas.id, id: String(body.id), turn: Number(body.turn) };
    const notify = (method: string, params: JsonObject) => emit({ method, params });
    return parked.resume(ticket, objectIn(body, 'responses') ?? {}, { signal, notify });
  });
  replicas.handle(ANSWER, async ({ lane, message }) => ({
    taken: isJsonObject(message) && questions.answer(String(lane), message),
  }));
  return {
    eras,
    openEngine: (reply) => openEngine({ ...rooms, reply }),
  };
}

/** What was approved is read anew with each snapshot of its organization. */
function openPinned(lists: Lists, { db, snapshots, clock, log, closers }: BridgeRoomsDeps): Lists {
  const pins = openPins({
    load: (org) => withOrganization(db, org, listToolPins),
    save: (org, sightings) =>
      withOrganization(db, org, async (scope) => {
        for (const sighting of sightings) await recordSighting(scope, sighting);
      }),
    clock,
    log,
  });
  closers.add('pins', () => pins.close());
  const pinned = openPinnedLists({ lists, pins, log });
  snapshots.onRenewed(pinned.renewed);
  return pinned;
}
