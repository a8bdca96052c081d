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

const refusal = z.object({ error: z.string() });

type KoaContext = Pick<KoaContextWithOIDC, 'path' | 'status' | 'set' | 'body'>;

export function closedEdges(provider: Provider, { log }: { readonly log: Log }): void {
  provider.use(async (ctx, next) => {
    // What fails outside the library's own handling, such as keeping the session, would end as bare text.
    await addDefaultScope(ctx)
      .then(next)
      .catch((thrown: unknown) => {
        failed(ctx, thrown, log);
        ctx.body = serverError;
        if (isHandled(ctx) && ctx.accepts('json', 'html') === 'html') renderError(ctx, serverError);
      });
    if (!isHandled(ctx)) return;
    const { route } = ctx.oidc;
    if (route === 'token') await burnCode(ctx);
    if (route === 'authorization') correctRedirect(ctx);
  });
  // Who hangs up in the middle: Koa would write it to standard error, as often as a stranger likes.
  const aborted: EventEmitter = provider;
  aborted.on('error', (thrown: unknown) => log.debug({ err: thrown }, 'an answer could not be sent'));
  provider.on('server_error', (ctx, error) => {
    failed(ctx, error, log);
    if (refusal.safeParse(ctx.body).success) ctx.body = serverError;
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

const serverError = { error: 'server_error', error_description: 'The request could not be answered: try again later' };

function failed(ctx: KoaContext, thrown: unknown, log: Log): void {
  const error = asGatehouseError(thrown);
  log.error({ err: error.cause ?? thrown, path: ctx.path }, 'the authorization server failed');
  const isAway = error.code === 'storage_unavailable' || error.code === 'identity_unavailable';
  ctx.status = isAway ? 503 : 500;
  if (isAway) ctx.set('Retry-After', '1');
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
  if (typeof code !== 'string' || refusal.safeParse(ctx.body).data?.error !== 'invalid_grant') return;
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
  if (!namesResource(ctx) && ctx.query.request_uri === undefined)
    throw new errors.InvalidRequest('missing required parameter state');
}

/** The library puts the default into its own copy of the parameters. */
function namesResource({ method, oidc, query }: KoaContextWithOIDC): boolean {
  const asked: unknown = method === 'POST' ? oidc.body : query;
  return typeof asked === 'object' && asked !== null && 'resource' in asked;
}

const usualScopes = ['mcp:read', 'mcp:write'];

/**
 * Who asks for nothing that we know gets the usual (RFC 6749 3.3), and so does who names an MCP endpoint and asks for no
 * more than who the person is: many clients of 2025-03-26 ask for what their registration listed, or for a scope of their
 * own, and a token that opens nothing would help nobody. The consent page shows it, the token's answer says it.
 */
export const defaultScopes =
  (known: readonly string[]) =>
  (ctx: KoaContextWithOIDC): void => {
    const { params } = ctx.oidc;
    if (!params) return;
    const asked = String(params.scope ?? '')
      .split(' ')
      .filter((name) => known.includes(name));
    const identityOnly = namesResource(ctx) && !asked.some((name) => usualScopes.includes(name));
    if (asked.length === 0 || identityOnly) params.scope = [...asked, ...usualScopes].join(' ');
  };
