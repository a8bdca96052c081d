/**
 * What strangers may see: the welcome page, health and readiness. Nothing here names an organization or a server, but to
 * whoever may use it.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import type { Clock } from '#core/clock.ts';
import { asksForPage } from '#http/page.ts';
import { welcomePage } from './welcome.ts';

export interface PublicDeps {
  readonly clock: Clock;
  /** False while starting, stopping, or without storage. Must answer within its own deadline and never throw. */
  readonly ready: () => boolean | Promise<boolean>;
  readonly baseUrl: () => string;
  readonly version: string;
  readonly demo: boolean;
  /** Identity providers are configured. */
  readonly signIn: boolean;
  /** How the servers are that the sender of this may use, by key; none for strangers. Rejects `rate_limited`. */
  readonly servers?: (request: IncomingMessage) => Promise<Readonly<Record<string, object>>>;
}

export function publicPlugin(deps: PublicDeps): FastifyPluginAsync {
  return async (app) => {
    app.get('/health', async ({ raw }, reply) => {
      const servers = (await deps.servers?.(raw)) ?? {};
      return plain(reply).send({ status: 'healthy', timestamp: new Date(deps.clock.now()).toISOString(), servers });
    });
    app.get('/ready', async (_request, reply) => {
      const ready = await deps.ready();
      return plain(reply.code(ready ? 200 : 503)).send({ status: ready ? 'ready' : 'not ready' });
    });
    const sendWelcome = (reply: FastifyReply) => {
      const { version, demo, signIn } = deps;
      const { html, headers } = welcomePage({ baseUrl: deps.baseUrl(), version, demo, signIn });
      return reply.headers(headers).type('text/html; charset=utf-8').send(html);
    };
    app.get('/welcome', async (_request, reply) => sendWelcome(reply));
    app.get('/', async (request, reply) =>
      asksForPage(request.headers.accept) ? sendWelcome(reply) : reply.callNotFound(),
    );
  };
}

function plain(reply: FastifyReply): FastifyReply {
  return reply
    .headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    .type('application/json; charset=utf-8');
}
