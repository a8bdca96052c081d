/**
 * Three replicas as processes on one machine, with a real PostgreSQL, a real Redis where there is one, and a real balancer
 * in front: what the containers of deploy/replicas/ are, without an engine. What is seen is returned; nothing is judged.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, fetch as undiciFetch } from 'undici';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { freePort } from '#kit/listen.ts';
import { hasNginx } from '#kit/nginx.ts';
import type { RecordingUpstream } from '#kit/recording-upstream.ts';
import { hasRedis, startRedis } from '#kit/redis-server.ts';
import { startToolServer } from '#kit/tool-server.ts';
import { type Balancer, makeBalancer } from './balancers.ts';
import { type Tally, talk } from './client.ts';
import { askGuarded, type Guarded, guardedResource } from './guarded.ts';

export interface TopologyOptions {
  /** Of an empty PostgreSQL database, or a migrated one. */
  readonly databaseUrl: string;
  readonly balancer: 'haproxy' | 'nginx';
  readonly say: (line: string) => void;
}

export interface Seen {
  readonly steady: Tally;
  /** Calls that each replica has answered by then. */
  readonly shares: readonly number[];
  readonly killed: { readonly during: Tally; readonly after: Tally };
  readonly drained: { readonly during: Tally; readonly exitCode: number | null; readonly after: Tally };
  /** Replicas that answered after two of them came back. */
  readonly returned: number;
  readonly revokedAfterMs: number;
  /** Of one key at three replicas at once; undefined: there is no Redis. */
  readonly limit: { readonly allowed: number; readonly refused: number } | undefined;
  /** undefined: there is no nginx. */
  readonly guarded: Guarded | undefined;
}

export const PER_MINUTE = 120;

const yaml = (upstream: string) => `
organizations:
  - { slug: acme, name: Acme }
identity:
  - { kind: local }
servers:
  - { key: slow, transport: { kind: http, url: '${upstream}' } }
enablements:
  - { organization: acme, server: slow, allMembers: true }
limits:
  principal: { requestsPerMinute: ${PER_MINUTE} }
oauth:
  resources: ['${guardedResource}']
egress: { allow: ['127.0.0.1'] }
`;

const path = '/acme/mcp/slow';

/** Ends whatever it started, also where it fails. */
export async function runTopology(options: TopologyOptions): Promise<Seen> {
  const closers: (() => Promise<unknown>)[] = [];
  try {
    return await run(options, closers);
  } finally {
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

interface Place {
  readonly balancer: Balancer;
  readonly replicas: RunningGateway[];
  readonly start: (index: number) => Promise<RunningGateway>;
  /** Of its own for each step: limits count by key. */
  readonly newKey: () => Promise<string>;
  readonly say: (line: string) => void;
  /** The server behind it. */
  readonly upstream: RecordingUpstream;
}

async function run(options: TopologyOptions, closers: (() => Promise<unknown>)[]): Promise<Seen> {
  const { say } = options;
  const upstream = await startToolServer({ era: 'legacy' });
  closers.push(() => upstream.close());
  upstream.tools = [{ name: 'wait', inputSchema: { type: 'object' } }];
  upstream.run = async ({ arguments: args }) => {
    const ms = typeof args === 'object' && args !== null && 'ms' in args ? Number(args.ms) : 0;
    await pause(ms);
    return { content: [{ type: 'text', text: `waited ${ms}` }] };
  };
  const redis = hasRedis ? await startRedis() : undefined;
  if (redis) closers.push(() => redis.close());
  const balancer = await makeBalancer(options.balancer);
  closers.push(() => balancer.close());
  const ports = [await freePort(), await freePort(), await freePort()];
  const start = async (index: number) => {
    const replica = await startGateway({
      configYaml: yaml(upstream.url),
      env: {
        ...{ NODE_ENV: 'production', PORT: String(ports[index]), BASE_URL: balancer.url, TRUSTED_PROXIES: '127.0.0.1' },
        ...{ DATABASE_URL: options.databaseUrl, ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' },
        REPLICA_URL: `http://127.0.0.1:${await freePort()}`,
        ...(redis && { REDIS_URL: redis.url }),
      },
    });
    closers.push(() => replica.stop());
    return replica;
  };
  const replicas: RunningGateway[] = [];
  for (const index of ports.keys()) replicas.push(await start(index));
  await balancer.open(ports);
  say(`3 replicas behind ${balancer.name} at ${balancer.url}, PostgreSQL, ${redis ? 'Redis' : 'no Redis'}`);
  const newKey = () => createKey(oneOf(replicas), 'acme');
  const place: Place = { balancer, replicas, start, say, newKey, upstream: upstream.upstream };
  return steps(place, redis !== undefined);
}

async function steps(place: Place, hasShared: boolean): Promise<Seen> {
  const { balancer, replicas, say, newKey, upstream } = place;
  const client = await talk(balancer, await newKey(), path);
  const steady = await client.calls(60, 6);
  const shares = replicas.map(answered);
  say(`60 calls of one session: ${shown(steady)}; answered by ${shares.join(', ')}`);
  await client.close();
  const killed = await killOne(place);
  const drained = await drainOne(place);
  const returned = await bringBack(place);
  const revokedAfterMs = await revoke(place);
  const limit = hasShared ? await countTogether(place) : undefined;
  const guarded = hasNginx() ? await askGuarded({ replica: oneOf(replicas), balancer, upstream, say }) : undefined;
  return { steady, shares, killed, drained, returned, revokedAfterMs, limit, guarded };
}

async function killOne({ balancer, replicas, newKey, say }: Place): Promise<Seen['killed']> {
  const client = await talk(balancer, await newKey(), path);
  await client.calls(3, 3);
  const running = client.calls(12, 12, 400);
  await pause(200);
  await replicas[0]?.kill9();
  const during = await running;
  say(`replica 1 killed while 12 calls ran: ${shown(during)}`);
  const after = await client.calls(60, 6);
  say(`the same session goes on: 60 calls, ${shown(after)}`);
  await client.close();
  return { during, after };
}

async function drainOne({ balancer, replicas, newKey, say }: Place): Promise<Seen['drained']> {
  const client = await talk(balancer, await newKey(), path);
  await client.calls(2, 2);
  const running = client.calls(12, 12, 600);
  await pause(200);
  const ended = replicas[1]?.stop() ?? Promise.resolve(null);
  const during = await running;
  const exitCode = await ended;
  say(`replica 2 told to stop while 12 calls ran: ${shown(during)}; it ended with ${exitCode}`);
  const after = await client.calls(60, 6);
  say(`one replica is left: 60 calls, ${shown(after)}`);
  await client.close();
  return { during, exitCode, after };
}

/** How many replicas answered, once those that went are there again. */
async function bringBack({ balancer, replicas, start, newKey, say }: Place): Promise<number> {
  for (const index of [0, 1]) replicas[index] = await start(index);
  // As long as a balancer leaves one alone that did not answer.
  await pause(2500);
  const before = replicas.map(answered);
  const client = await talk(balancer, await newKey(), path);
  const tally = await client.calls(60, 6);
  await client.close();
  const returned = replicas.filter((replica, index) => answered(replica) > (before[index] ?? 0)).length;
  say(`two replicas came back: 60 calls, ${shown(tally)}, answered by ${returned} replicas`);
  return returned;
}

/** Revoked at one replica, asked at all of them. Milliseconds until nobody accepts it any more. */
async function revoke({ replicas, say }: Place): Promise<number> {
  const made = await oneOf(replicas).cli('key', 'create', '--org', 'acme', '--name', 'to-be-revoked');
  const { id, key } = made as { readonly id: string; readonly key: string };
  const statuses = () => Promise.all(replicas.map(({ url }) => ping(url, key)));
  if ((await statuses()).some((status) => status !== 200)) throw new Error('the new key is not accepted everywhere');
  await oneOf(replicas).cli('key', 'revoke', id);
  const revokedAt = performance.now();
  while ((await statuses()).some((status) => status !== 401)) {
    if (performance.now() - revokedAt > 10_000) throw new Error('a revoked key is still accepted');
    await pause(20);
  }
  const took = Math.round(performance.now() - revokedAt);
  say(`a revoked key was refused by all three within ${took} ms of the command's answer`);
  return took;
}

/** More than the limit, spread over the replicas. */
async function countTogether({ replicas, newKey, say }: Place): Promise<Seen['limit']> {
  const key = await newKey();
  const asked = PER_MINUTE * 2;
  const statuses: number[] = [];
  for (let n = 0; n < asked; n += replicas.length)
    statuses.push(...(await Promise.all(replicas.map(({ url }) => ping(url, key)))));
  const [allowed, refused] = [200, 429].map((status) => statuses.filter((one) => one === status).length);
  say(`${asked} requests of one key at three replicas, limit ${PER_MINUTE}: ${allowed} allowed, ${refused} refused`);
  return { allowed: allowed ?? 0, refused: refused ?? 0 };
}

const agent = new Agent({ connections: 4 });

async function ping(url: string, key: string): Promise<number> {
  const answer = await undiciFetch(`${url}${path}`, {
    method: 'POST',
    dispatcher: agent,
    headers: {
      ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...{ accept: 'application/json, text/event-stream' },
    },
    body: JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'ping', version: '1' } },
    }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

const answered = (replica: RunningGateway): number =>
  replica.logs().filter((line) => String(line.path).startsWith(path) && line.status === 200).length;

const shown = ({ good, bad, reasons }: Tally): string =>
  bad === 0 ? `${good} good` : `${good} good, ${bad} failed (${reasons.join('; ')})`;

function oneOf(replicas: readonly RunningGateway[]): RunningGateway {
  const last = replicas.at(-1);
  if (!last) throw new Error('there is no replica');
  return last;
}
