/** What the library leaves open and our endpoints promise (REQUIREMENTS S1.11, SECURITY A7): middleware around its own. */
import type { EventEmitter } from 'node:events';
import type Provider from 'oidc-provider';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { z } from 'zod';
import { asGatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { renderError } from './error-page.ts';
import { type Context, readForm, replaceForm, replaceQuery } from './form.ts';
import { paths } from './mount.ts';

const failed = z.object({ error: z.string() });

export function closedEdges(provider: Provider, { log }: { readonly log: Log }): void {
  provider.use(async (ctx, next) => {
    await addDefaultScope(ctx);
    await next();
    if (!isHandled(ctx)) return;
    const { route } = ctx.oidc;
    if (route === 'token') await burnCode(ctx);
    if (route === 'authorization') correctRedirect(ctx);
  });
  // What not even its own handler caught: Koa would write it to standard error as it is.
  const uncaught: EventEmitter = provider;
  uncaught.on('error', (thrown: unknown) => log.error({ err: thrown }, 'the authorization server failed'));
  provider.on('server_error', (ctx, error) => {
    const { code, cause } = asGatehouseError(error);
    log.error({ err: cause ?? error, path: ctx.path }, 'the authorization server failed');
    if (code !== 'storage_unavailable' && code !== 'identity_unavailable') return;
    ctx.status = 503;
    ctx.set('Retry-After', '1');
  });
}

const defaultScope = 'mcp:read mcp:write';
/** Where an authorization request may be made of a form. */
const requestForms: ReadonlySet<string> = new Set([paths.pushed_authorization_request, paths.device_authorization]);

/** Who names no scope asks for the usual ones (RFC 6749 3.3): said here, so that the page says it to the person too. */
async function addDefaultScope(ctx: Context): Promise<void> {
  if (ctx.method === 'GET' && ctx.path === paths.authorization) {
    const { scope, request_uri: pushed } = ctx.query;
    if (!scope && pushed === undefined) replaceQuery(ctx, { ...ctx.query, scope: defaultScope });
  } else if (ctx.method === 'POST' && requestForms.has(ctx.path)) {
    const form = await readForm(ctx);
    if (!form || form.get('scope')) return;
    form.set('scope', defaultScope);
    replaceForm(ctx, form);
  }
}

/** Only routes of the library have a context of its own. */
function isHandled(ctx: object): ctx is KoaContextWithOIDC {
  return 'oidc' in ctx && ctx.oidc !== undefined;
}

/**
 * A code that was presented wrongly is in somebody's hands who can't use it: it is spent (RFC 9700 4.5), and where it was
 * redeemed before, what came of it ends.
 */
async function burnCode(ctx: KoaContextWithOIDC): Promise<void> {
  const { params, provider } = ctx.oidc;
  const code = params?.grant_type === 'authorization_code' ? params.code : undefined;
  if (typeof code !== 'string' || failed.safeParse(ctx.body).data?.error !== 'invalid_grant') return;
  const found = await provider.AuthorizationCode.find(code, { ignoreExpiration: true });
  if (!found) return;
  if (found.isValid) await found.consume().catch(() => undefined);
  else if (found.grantId !== undefined) await provider.AccessToken.revokeByGrantId(found.grantId);
}

/** Where REQUIREMENTS S1 wants other words than the library's: a resource that is no URL, a challenge method that is none of ours. */
function correctRedirect(ctx: KoaContextWithOIDC): void {
  const location = ctx.response.get('location');
  if (!URL.canParse(location)) return;
  const url = new URL(location);
  const { code_challenge_method: method, resource = [] } = ctx.query;
  const error = url.searchParams.get('error');
  if (error === 'invalid_target' && [resource].flat().some((one) => !URL.canParse(one))) {
    url.searchParams.set('error', 'invalid_resource');
    ctx.set('location', url.href);
  } else if (error === 'invalid_request' && method !== undefined && method !== 'S256') {
    ctx.remove('location');
    ctx.status = 400;
    renderError(ctx, { error, error_description: 'code_challenge_method must be S256' });
  }
}

/**
 * Required (REQUIREMENTS S1.11), but not of MCP clients, which name a resource: their SDKs send none unless their host asks
 * for it, and the challenge that everybody must send protects them as well (RFC 9700 2.1.1).
 */
export function checkState(ctx: KoaContextWithOIDC, state: unknown): void {
  if (state !== undefined || ctx.oidc.route !== 'authorization') return;
  const asked: unknown = ctx.method === 'POST' ? ctx.oidc.body : ctx.query;
  const hasResource = typeof asked === 'object' && asked !== null && 'resource' in asked;
  if (!hasResource && ctx.query.request_uri === undefined)
    throw new errors.InvalidRequest('missing required parameter state');
}
