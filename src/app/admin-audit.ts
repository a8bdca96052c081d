/** What is administered, in the trail and in the log. */
import type { AdminDeps, AdminEvent } from '#admin/handlers.ts';
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { AuditActor, AuditEvent, AuditTrail } from '#records/audit/event.ts';
import type { Storage } from './storage.ts';

export type AdminAudit = Required<Pick<AdminDeps, 'audit' | 'beginAudit'>>;

export interface AdminAuditDeps {
  readonly storage: Pick<Storage, 'records'>;
  readonly log: Log;
}

/** Who holds what opens them is none of this system's people. */
const commandLine: AuditActor = { kind: null, subject: 'command line' };
const adminToken: AuditActor = { kind: null, subject: 'admin token' };

/** Of what gets the gateway in elsewhere, or proves what it says: its values, and the keys that they are sealed with. */
const ofCredentials = /^(?:credential|secrets|signing|connection|s3\.keys)\.|^organization\.shred$/;

/** Changes stand in the trail before they are made. Of reads, those of the trail itself and those that were refused. */
export function adminAudit({ storage: { records }, log }: AdminAuditDeps, trail: AuditTrail): AdminAudit {
  const say = ({ by: _by, from: _from, ...event }: AdminEvent) => log.info({ audit: event }, `admin ${event.action}`);
  const shown = async (event: Omit<AdminEvent, 'outcome'>): Promise<AuditEvent> => {
    const { by, action, organization, target, detail, from = by?.from } = event;
    const found = organization === undefined ? undefined : await records.findOrganization(organization);
    return {
      ...{ kind: ofCredentials.test(action) ? 'credential' : 'admin', action },
      ...{ org: found?.id ?? null, target: target ?? organization ?? null, actor: actorOf(by) },
      ...(from && { clientAddress: from.address, userAgent: from.userAgent, requestId: from.requestId }),
      detail: { ...wayOf(by), ...detail },
    };
  };
  return {
    async audit(event) {
      say(event);
      const isOfTrail = /^(?:audit|usage)\./.test(event.action);
      if (event.outcome === 'done' && !isOfTrail && !event.isChange) return;
      await trail.record({ ...(await shown(event)), ...(event.outcome !== 'done' && { refused: event.outcome }) });
    },
    async beginAudit(event) {
      const end = await trail.begin(await shown(event));
      return async (outcome, learned) => {
        say({ ...event, outcome });
        await end(outcome === 'done' ? undefined : outcome, learned);
      };
    },
  };
}

function actorOf(by: AdminEvent['by']): AuditActor | undefined {
  if (by === undefined) return undefined;
  if (by.kind === 'key') return { kind: 'api-key', subject: by.principal.keyId };
  if ('who' in by) {
    const { issuer, subject, email } = by.who;
    return { kind: 'user', issuer, subject, email };
  }
  if (by.kind === 'person') return { kind: 'user', subject: by.userId };
  if (by.userId !== undefined) return { kind: 'user', subject: by.userId };
  return by.isCommandLine ? commandLine : adminToken;
}

/** A key that acts as a service account says which: the row of that one has its name. */
function wayOf(by: AdminEvent['by']): JsonObject {
  if (by === undefined) return {};
  if (by.kind === 'key') {
    const { userId } = by.principal;
    return { by: 'key', ...(userId !== undefined && { serviceAccount: userId }) };
  }
  return { by: 'who' in by ? 'person' : 'platform' };
}
