/**
 * The trail: who did what, beside the calls of the data plane. An event takes the way of a call's record (spool, then
 * database), so it survives what those survive.
 */
import type { Clock } from '#core/clock.ts';
import { type ErrorCode, GatehouseError } from '#core/error.ts';
import { type OrgId, uuidv7 } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import type { AuditKind, CallRecord, CallRecorder } from '#records/call-record.ts';

export interface AuditActor {
  /** null: no person's and no key's doing, such as that of the command line, whose name is the subject. */
  readonly kind: 'user' | 'api-key' | null;
  readonly issuer?: string | null | undefined;
  readonly subject?: string | null | undefined;
  readonly email?: string | null | undefined;
}

export interface AuditEvent {
  readonly kind: Exclude<AuditKind, 'call'>;
  /** `noun.verb`, such as `sign_in.done`. */
  readonly action: string;
  readonly org?: OrgId | null | undefined;
  /** Undefined: nobody is known. The human, where there is one: of a key, its owner. */
  readonly actor?: AuditActor | undefined;
  /** May name a person: it is erased with them. */
  readonly target?: string | null | undefined;
  readonly clientAddress?: string | null | undefined;
  readonly userAgent?: string | null | undefined;
  readonly requestId?: string | undefined;
  readonly server?: string | null | undefined;
  /** undefined: it was done. */
  readonly refused?: ErrorCode | undefined;
  /** Names nobody. */
  readonly detail?: JsonObject | undefined;
}

export interface AuditTrail {
  /** Resolves once it can no longer be lost with this process. Never rejects. */
  record(event: AuditEvent): Promise<void>;
  /**
   * Before something is changed: the change is not begun before the event is kept. Answer with what came of it. Whatever
   * is never answered stays in the trail as begun. `learned` is added to the detail. Throws `audit_full`.
   */
  begin(event: AuditEvent): Promise<(refused?: ErrorCode, learned?: JsonObject) => Promise<void>>;
}

export const silentTrail: AuditTrail = { record: async () => undefined, begin: async () => async () => undefined };

export function openAuditTrail(
  recorder: Pick<CallRecorder, 'record' | 'accepting'>,
  clock: Clock,
  onEvent: (record: CallRecord) => void = () => undefined,
): AuditTrail {
  const write = (record: CallRecord) =>
    new Promise<void>((resolve) => {
      recorder.record(record, resolve);
      if (!record.open) onEvent(record);
    });
  return {
    record: (event) => write(recordOf(event, uuidv7(clock.now()), clock.now())),
    async begin(event) {
      if (!recorder.accepting) throw new GatehouseError('audit_full', { retryAfterSeconds: 5 });
      const record = recordOf(event, uuidv7(clock.now()), clock.now());
      const startedAt = clock.monotonic();
      await write({ ...record, open: true });
      return (refused, learned) =>
        write({
          ...record,
          ...outcomeOf(refused),
          ...(learned && { detail: { ...record.detail, ...learned } }),
          durationMs: Math.max(0, Math.round((clock.monotonic() - startedAt) * 1000) / 1000),
        });
    },
  };
}

const outcomeOf = (refused: ErrorCode | undefined): Pick<CallRecord, 'decision' | 'reason'> =>
  refused === undefined ? { decision: 'allow', reason: null } : { decision: 'deny', reason: refused };

function recordOf(event: AuditEvent, id: string, at: number): CallRecord {
  const { actor } = event;
  return {
    ...{ id, at, requestId: event.requestId ?? id, org: event.org ?? null },
    ...{ kind: event.kind, action: event.action, target: event.target?.slice(0, 512) ?? null },
    principalKind: actor?.kind ?? null,
    issuer: actor?.issuer ?? null,
    subject: actor?.subject ?? null,
    email: actor?.email ?? null,
    clientAddress: event.clientAddress ?? '',
    userAgent: event.userAgent?.slice(0, 256) ?? null,
    ...{ httpMethod: '', path: '', endpoint: null, server: event.server ?? null, rpcMethod: null, name: null },
    ...outcomeOf(event.refused),
    ...{ status: 0, open: false, durationMs: 0, upstreamMs: null, bytesIn: 0, bytesOut: 0 },
    detail: event.detail ?? null,
  };
}
