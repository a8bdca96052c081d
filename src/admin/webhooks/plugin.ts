/**
 * Webhooks of identity providers at /api/webhooks/{kind}: the signature is checked on the very bytes (400), the work is done
 * before the answer (REQUIREMENTS X4.3), and what could not be done is 500, so that it is sent again.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { DirectoryEvent, IdentityProvider } from '#adapters/identity/identity.ts';
import { originOf } from '#admin/actor.ts';
import type { AdminDeps } from '#admin/handlers.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { AddressReader } from '#http/client-address.ts';
import { applyDirectoryEvent, removeOldEvents } from '#records/directory-events.ts';

export const webhookBase = '/api/webhooks';

export interface WebhookDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly providers: readonly IdentityProvider[];
  readonly readAddress: AddressReader;
  readonly beginAudit: NonNullable<AdminDeps['beginAudit']>;
}

const maxBytes = 512 * 1024;
const sweepMs = 86_400_000;

export function webhookPlugin(deps: WebhookDeps): FastifyPluginAsync {
  const { db, clock, log } = deps;
  const kinds = new Set(deps.providers.flatMap(({ kind, webhook }) => (webhook ? [kind] : [])));
  let sweptAt = 0;

  async function apply(provider: IdentityProvider, event: DirectoryEvent) {
    const nowMs = clock.now();
    const outcome = await withPlatform(db, (scope) => applyDirectoryEvent(scope, provider, { event, nowMs }));
    if (nowMs - sweptAt < sweepMs) return outcome;
    sweptAt = nowMs;
    await withPlatform(db, (scope) => removeOldEvents(scope, nowMs));
    return outcome;
  }

  /** Whose word it is, is the identity provider's: of the person there is only what it calls them. */
  async function applyOnRecord(provider: IdentityProvider, event: DirectoryEvent, request: IncomingMessage) {
    const { id, type, change } = event;
    // About nothing that is kept here: nothing is changed.
    if (!change) return apply(provider, event);
    const end = await deps.beginAudit({
      ...{ at: clock.now(), action: `webhook.${change.kind}`, actor: `identity provider ${provider.name}` },
      organization:
        change.kind === 'organization' ? change.id : 'organization' in change ? change.organization : undefined,
      target: 'user' in change ? change.user : 'person' in change ? change.person : change.id,
      from: originOf(request, deps.readAddress),
      detail: {
        by: 'webhook',
        provider: provider.name,
        event: id.slice(0, 128),
        type: type.slice(0, 128),
        removed: change.removed,
      },
    });
    try {
      const outcome = await apply(provider, event);
      await end('done', { outcome });
      return outcome;
    } catch (thrown) {
      await end(asGatehouseError(thrown).code);
      throw thrown;
    }
  }

  async function receive(kind: string, { headers, body, raw }: FastifyRequest, reply: FastifyReply) {
    const fields = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
    );
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    try {
      const { provider, event } = readSigned(deps.providers, { kind, fields, bytes });
      const outcome = await applyOnRecord(provider, event, raw);
      log.info({ provider: provider.name, event: event.id, type: event.type, outcome }, 'webhook');
      return { received: true, outcome };
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      const isTheirs = error.code === 'bad_request';
      log[isTheirs ? 'warn' : 'error']({ err: error.cause ?? error, kind }, 'a webhook was refused');
      reply.code(isTheirs ? 400 : 500);
      return { error: isTheirs ? error.message : 'The event could not be processed: send it again' };
    }
  }

  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maxBytes }, (_request, body, done) =>
      done(null, body),
    );
    app.addHook('onSend', async (_request, reply) => {
      reply.header('cache-control', 'no-store');
    });
    for (const kind of kinds) app.post(`${webhookBase}/${kind}`, (request, reply) => receive(kind, request, reply));
  };
}

interface Received {
  readonly kind: string;
  readonly fields: Readonly<Record<string, string | undefined>>;
  readonly bytes: Buffer;
}

/** Of several of a kind it is the one whose secret signed it. Throws `bad_request`. */
function readSigned(providers: readonly IdentityProvider[], { kind, fields, bytes }: Received) {
  let refusal = new GatehouseError('bad_request');
  for (const provider of providers) {
    if (provider.kind !== kind || !provider.webhook) continue;
    try {
      return { provider, event: provider.webhook.read(fields, bytes) };
    } catch (thrown) {
      refusal = asGatehouseError(thrown);
    }
  }
  throw refusal;
}
