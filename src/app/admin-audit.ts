/** What is administered, in the trail and in the log. */
import type { AdminDeps, AdminEvent } from '#admin/handlers.ts';
import type { Log } from '#core/log.ts';
import type { AuditEvent, AuditTrail } from '#records/audit/event.ts';
import type { Storage } from './storage.ts';

export type AdminAudit = Required<Pick<AdminDeps, 'audit' | 'beginAudit'>>;

export interface AdminAuditDeps {
  readonly storage: Pick<Storage, 'records'>;
  readonly log: Log;
}

/** Changes stand in the trail before they are made. Of reads, those of the trail itself and those that were refused. */
export function adminAudit({ storage: { records }, log }: AdminAuditDeps, trail: AuditTrail): AdminAudit {
  const say = ({ by: _by, ...event }: AdminEvent) => log.info({ audit: event }, `admin ${event.action}`);
  const shown = async ({ by, action, organization, target }: Omit<AdminEvent, 'outcome'>): Promise<AuditEvent> => {
    const found = organization === undefined ? undefined : await records.findOrganization(organization);
    return {
      ...{ kind: 'admin', action, org: found?.id ?? null, target: target ?? organization ?? null },
      ...(by?.kind === 'key' && { actor: { kind: 'api-key', subject: by.principal.keyId } }),
      ...(by?.from && { clientAddress: by.from.address, userAgent: by.from.userAgent }),
      detail: { by: by?.kind ?? 'platform' },
    };
  };
  return {
    async audit(event) {
      say(event);
      const isOfTrail = /^(?:audit|usage)\./.test(event.action);
      if (event.outcome === 'done' && !isOfTrail) return;
      await trail.record({ ...(await shown(event)), ...(event.outcome !== 'done' && { refused: event.outcome }) });
    },
    async beginAudit(event) {
      const end = await trail.begin(await shown(event));
      return async (outcome) => {
        say({ ...event, outcome });
        await end(outcome === 'done' ? undefined : outcome);
      };
    },
  };
}
