/** `/gateway/health` and `/gateway/stats` as the older gateway has them (REQUIREMENTS S3.8), for its probes and dashboards. */
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import type { Clock } from '#core/clock.ts';

export interface CompatHealthDeps {
  readonly clock: Clock;
  /** Whether the database answers, within its own deadline. Never rejects. */
  readonly isConnected: () => Promise<boolean>;
  /** The limiter's keys counted now, and what it allows. */
  readonly limits: () => Promise<{
    readonly keys: number;
    readonly enabled: boolean;
    readonly perPrincipalPerMinute: number;
    readonly perAddressPerMinute: number;
  }>;
}

/** Strangers may ask: the database is asked for all of them together. */
const KEPT_MS = 1000;

export function compatHealthPlugin(deps: CompatHealthDeps): FastifyPluginAsync {
  let known: { readonly answer: Promise<boolean>; readonly until: number } | undefined;
  const isConnected = () => {
    if (!known || known.until < deps.clock.monotonic())
      known = { answer: deps.isConnected(), until: deps.clock.monotonic() + KEPT_MS };
    return known.answer;
  };
  return async (app) => {
    app.get('/gateway/health', async (_request, reply) =>
      plain(reply).send({
        ...{ status: 'healthy', service: 'api-gateway' },
        database: (await isConnected()) ? 'connected' : 'disconnected',
        rate_limiting: (await deps.limits()).enabled,
        analytics: true,
      }),
    );
    app.get('/gateway/stats', async (_request, reply) => {
      const { keys, perPrincipalPerMinute, perAddressPerMinute } = await deps.limits();
      return plain(reply).send({
        rate_limiter_keys: keys,
        rate_limit_per_minute: perPrincipalPerMinute,
        rate_limit_per_ip: perAddressPerMinute,
      });
    });
  };
}

const plain = (reply: FastifyReply): FastifyReply =>
  reply
    .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    .type('application/json; charset=utf-8');
