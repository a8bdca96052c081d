/** Usage, counted: who uses what, how often, how well, and what it saved. */
import { type RawBuilder, sql } from 'kysely';
import type { OrganizationScope } from '#db/scope.ts';

const columns = {
  user: `coalesce(user_email, subject)`,
  server: 'server',
  tool: 'tool',
  status: 'status_code',
  endpoint: 'endpoint_name',
  method: 'rpc_method',
} as const;
export type UsageGroup = keyof typeof columns;

export interface UsageQuery {
  readonly by: readonly UsageGroup[];
  readonly every: 'minute' | 'hour' | 'day' | 'week' | 'month' | undefined;
  /** Unix milliseconds. */
  readonly since: number;
  readonly until: number;
  readonly limit: number;
  /** Of these only. */
  readonly user?: string | undefined;
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  readonly status?: number | undefined;
}

export interface UsageLine {
  /** ISO 8601; null: all of the time asked for. */
  readonly at: string | null;
  readonly group: Readonly<Record<string, string | number | null>>;
  readonly calls: number;
  /** Answered with a status of 400 or more, or refused. */
  readonly failures: number;
  readonly tokensSaved: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

type Row = Readonly<Record<string, string | number | Date | null>>;

/** Buckets begin in UTC. The most used first, within a bucket; the newest bucket first. */
export async function countUsage({ tx }: OrganizationScope, query: UsageQuery): Promise<readonly UsageLine[]> {
  const bucket = query.every === undefined ? 'null::timestamptz' : `date_trunc('${query.every}', timestamp, 'UTC')`;
  const groups = query.by.map((name) => `${columns[name]} as "${name}"`);
  const positions = [1, ...query.by.map((_name, index) => index + 2)].join(', ');
  const { rows } = await sql<Row>`
    select ${sql.raw([`${bucket} as at`, ...groups].join(', '))}, count(*) as calls,
      count(*) filter (where status_code >= 400 or reason is not null) as failures,
      sum(tokens_saved) as "tokensSaved", sum(bytes_in) as "bytesIn", sum(bytes_out) as "bytesOut",
      avg(response_time_ms) as "meanMs",
      percentile_cont(array[0.5, 0.95, 0.99]) within group (order by response_time_ms) as percentiles
    from gateway.usage
    where timestamp >= ${new Date(query.since)} and timestamp < ${new Date(query.until)} and not open
      and ${sql.join(narrowed(query), sql` and `)}
    group by ${sql.raw(positions)} order by 1 desc nulls last, calls desc limit ${query.limit}`.execute(tx);
  return rows.map((row) => lineOf(row, query.by));
}

/** Never empty. */
function narrowed(query: UsageQuery): readonly RawBuilder<boolean>[] {
  const names = ['user', 'server', 'tool', 'status'] as const;
  const given = names.flatMap((name) => (query[name] === undefined ? [] : [{ name, value: query[name] }]));
  return [sql<boolean>`true`, ...given.map(({ name, value }) => sql<boolean>`${sql.raw(columns[name])} = ${value}`)];
}

function lineOf(row: Row, by: readonly UsageGroup[]): UsageLine {
  const number = (name: string) => Number(row[name] ?? 0);
  const { at } = row;
  const [p50Ms = 0, p95Ms = 0, p99Ms = 0] = Array.isArray(row.percentiles) ? row.percentiles.map(Number) : [];
  return {
    at: at instanceof Date ? at.toISOString() : null,
    group: Object.fromEntries(by.map((name) => [name, plain(row[name])])),
    ...{ calls: number('calls'), failures: number('failures'), tokensSaved: number('tokensSaved') },
    ...{ bytesIn: number('bytesIn'), bytesOut: number('bytesOut'), meanMs: number('meanMs'), p50Ms, p95Ms, p99Ms },
  };
}

const plain = (value: string | number | Date | null | undefined): string | number | null =>
  value instanceof Date ? value.toISOString() : (value ?? null);
