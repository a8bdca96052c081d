/** What an organization's people may want to be told: read from rows that exist anyway. */
import { sql } from 'kysely';
import type { OrganizationScope } from '#db/scope.ts';
import type { NotificationEvent } from './notifications.ts';

/** `id`: the same as long as it is the same matter. */
export interface Notable {
  readonly id: string;
  readonly event: NotificationEvent;
  readonly text: string;
  /** Below the organization's pages of the portal. */
  readonly page: string;
}

export interface Asked {
  readonly nowMs: number;
  /** Refused calls within five minutes. */
  readonly threshold: number;
}

/** Of one kind at a time. */
const most = 100;
const soonMs = 7 * 86_400_000;
const burstMs = 300_000;

type Find = (scope: OrganizationScope, asked: Asked) => Promise<readonly Notable[]>;

/** Failing servers are known to the data plane alone. */
export const notableFinders: Readonly<Record<Exclude<NotificationEvent, 'server.failing'>, Find>> = {
  async 'key.expiring'({ tx }, { nowMs }) {
    const rows = await tx
      .selectFrom('api_keys')
      .select(['id', 'name', 'expires_at'])
      .where('revoked_at', 'is', null)
      .where('expires_at', '>', new Date(nowMs))
      .where('expires_at', '<=', new Date(nowMs + soonMs))
      .orderBy('expires_at')
      .limit(most)
      .execute();
    return rows.map(({ id, name, expires_at }) => ({
      ...{ id: `key:${id}`, event: 'key.expiring', page: 'keys' },
      text: `API key "${name}" expires ${expires_at?.toISOString().slice(0, 16).replace('T', ' ') ?? 'soon'} UTC`,
    }));
  },
  async 'account.failed'({ tx }) {
    const rows = await tx
      .selectFrom('connected_accounts as a')
      .innerJoin('servers as s', 's.id', 'a.server_id')
      .select(['a.id', 's.key', 'a.failed_reason'])
      .where('a.state', '=', 'failed')
      .orderBy('a.id')
      .limit(most)
      .execute();
    return rows.map(({ id, key, failed_reason }) => ({
      ...{ id: `account:${id}`, event: 'account.failed', page: `servers/${key}` },
      text: `A connected account of server "${key}" no longer works${failed_reason === null ? '' : `: ${failed_reason}`}`,
    }));
  },
  async 'tool.changed'({ tx }) {
    const rows = await tx
      .selectFrom('tool_pins as p')
      .innerJoin('servers as s', 's.id', 'p.server_id')
      .select(['p.server_id', 'p.partition', 'p.tool', 'p.held_hash', 's.key'])
      .where('p.held_hash', 'is not', null)
      .orderBy('p.held_at')
      .limit(most)
      .execute();
    return rows.map(({ server_id, partition, tool, held_hash, key }) => ({
      ...{ id: `tool:${server_id}:${partition}:${tool}:${held_hash}`, event: 'tool.changed', page: 'pins' },
      text: `Tool "${tool}" of server "${key}" has another definition now: approve or refuse it`,
    }));
  },
  async 'calls.denied'({ tx }, { nowMs, threshold }) {
    const { rows } = await sql<{ count: string | number }>`select count(*) as count from (
      select 1 from gateway.audit where org_id = (select nullif(current_setting('app.org', true), '')::uuid)
        and kind = 'call' and decision = 'deny' and at >= ${new Date(nowMs - burstMs)} limit 100000) as denied`.execute(
      tx,
    );
    const denied = Number(rows[0]?.count ?? 0);
    if (denied < threshold) return [];
    const text = `${denied} calls were refused within five minutes`;
    return [{ id: 'denied', event: 'calls.denied', text, page: 'audit?kind=call&decision=deny' }];
  },
  async 'access.requested'({ tx }) {
    const rows = await tx
      .selectFrom('access_requests as r')
      .leftJoin('servers as s', 's.id', 'r.server_id')
      .leftJoin('collections as c', 'c.id', 'r.collection_id')
      .select(['r.id', 's.key', 'c.name'])
      .where('r.state', '=', 'open')
      .orderBy('r.id')
      .limit(most)
      .execute();
    return rows.map(({ id, key, name }) => ({
      ...{ id: `request:${id}`, event: 'access.requested', page: 'requests' },
      text: `Somebody asks for access to ${key === null ? `collection "${name}"` : `server "${key}"`}`,
    }));
  },
};
