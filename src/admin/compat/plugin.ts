/**
 * `/mcp-admin/api/*`, and the same at `/admin/*` for clients that don't ask for a page (DESIGN ruling 18), with the older
 * gateway's bodies: `{detail}` for whatever is refused. For administrators of one organization: their own.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { actorName } from '#admin/actor.ts';
import type { AdminDeps, AdminEvent, EndAudit } from '#admin/handlers.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { asksForPage } from '#http/page.ts';
import { type S3Deps, type S3Route, s3Routes } from './routes.ts';

export interface S3Administrator {
  readonly org: OrgId;
  /** For the audit trail. */
  readonly by: NonNullable<AdminEvent['by']>;
}

export interface S3PluginDeps extends S3Deps {
  /** `unsafe`: a cookie counts for a page of this very origin only. Throws `no_token`, `invalid_token`, `forbidden`, `not_member`. */
  readonly identify: (request: FastifyRequest['raw'], unsafe: boolean) => Promise<S3Administrator>;
  readonly audit: AdminDeps['audit'];
  readonly beginAudit: NonNullable<AdminDeps['beginAudit']>;
  /** For browsers: the same addresses are pages. */
  readonly sendPage?: ((request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>) | undefined;
  readonly log: Log;
  readonly maxBodyBytes: number;
}

const bases = ['/mcp-admin/api', '/admin'] as const;

export function s3AdminPlugin(deps: S3PluginDeps): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: deps.maxBodyBytes },
      // A DELETE without a body often says that it has one.
      (_request, body, done) => {
        try {
          done(null, body === '' ? {} : JSON.parse(String(body)));
        } catch (error) {
          done(new GatehouseError('bad_request', { message: 'The body is not JSON', cause: error }));
        }
      },
    );
    app.setErrorHandler((error, _request, reply) => refuse(reply, error, deps.log));
    for (const base of bases)
      for (const route of s3Routes)
        app.route({
          method: route.method,
          url: base + route.path,
          exposeHeadRoute: false,
          handler: (request, reply) => answer(request, reply, { base, route, deps }),
        });
  };
}

interface Answering {
  readonly base: string;
  readonly route: S3Route;
  readonly deps: S3PluginDeps;
}

async function answer(request: FastifyRequest, reply: FastifyReply, { base, route, deps }: Answering) {
  if (base === '/admin' && asksForPage(request.headers.accept))
    return deps.sendPage && route.method === 'GET' ? deps.sendPage(request, reply) : reply.callNotFound();
  const { org, by } = await deps.identify(request.raw, route.method !== 'GET');
  const input = { ...objectOf(request.query), ...objectOf(request.body), ...objectOf(request.params) };
  const event = { at: deps.now(), by, action: route.action, actor: actorName(by), organization: org };
  const named = { ...event, target: targetOf(input) };
  const end: EndAudit =
    route.method === 'GET' ? async (outcome) => void deps.audit({ ...named, outcome }) : await deps.beginAudit(named);
  let body: object;
  try {
    body = await route.run({ org, input }, deps);
  } catch (thrown) {
    await end(asGatehouseError(thrown).code);
    throw thrown;
  }
  await end('done');
  return headed(reply).send(body);
}

const objectOf = (value: unknown): object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};

/** Which of the words that aren't secret names what was acted on. */
function targetOf(input: object): string | undefined {
  const words: Readonly<Record<string, unknown>> = { ...input };
  const { group_name, name, tenant_id, tenant, email } = words;
  const target = group_name ?? name ?? tenant_id ?? tenant ?? email;
  return typeof target === 'string' ? target.slice(0, 128) : undefined;
}

const headed = (reply: FastifyReply) =>
  reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });

const details: Readonly<Record<number, string>> = {
  401: 'Authentication required',
  403: 'Open WebUI admin role required',
};

function refuse(reply: FastifyReply, thrown: unknown, log: Log): FastifyReply {
  const status = thrown instanceof Error && 'statusCode' in thrown ? thrown.statusCode : undefined;
  const own = thrown instanceof GatehouseError || typeof status !== 'number' || status >= 500;
  const error = own ? asGatehouseError(thrown) : new GatehouseError('bad_request', { cause: thrown });
  log[error.row.level]({ err: error }, 'admin request refused');
  const code = own ? Math.max(400, error.row.http) : Number(status);
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  return headed(reply)
    .code(code)
    .send({ detail: details[code] ?? error.message });
}
