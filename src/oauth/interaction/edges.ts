/** Around the pages that oidc-provider serves itself: what must hold for every page of ours holds for these too. */
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import { pageHeaders } from '#http/page.ts';
import { outOfBand } from './asked.ts';
import { isFromHere } from './form-guard.ts';
import { givenCode, signOutPage } from './library-pages.ts';
import { noticePage } from './notice-page.ts';
import { onwardLink } from './onward.ts';
import { notices } from './texts.ts';

interface EdgeDeps {
  /** No trailing slash. */
  readonly issuer: string;
  readonly sealer: Sealer;
  readonly log: Log;
}

const formPaths: ReadonlySet<string> = new Set(['/device', '/session/end/confirm']);

export function pageEdges(provider: Provider, { issuer, sealer, log }: EdgeDeps): void {
  provider.use(async (ctx, next) => {
    if (ctx.method === 'POST' && formPaths.has(ctx.path) && !isFromHere(ctx.req.headers, issuer)) {
      log.warn({ event: 'form_refused', site: ctx.req.headers['sec-fetch-site'] }, 'sign-in: a form was refused');
      ctx.status = notices.refused_form.status;
      ctx.set(pageHeaders);
      ctx.type = 'html';
      ctx.body = noticePage(notices.refused_form);
      return;
    }
    // The library would send the code on by script.
    if (ctx.method === 'GET' && ctx.path === '/device') {
      const { user_code: code, ...query } = ctx.query;
      if (typeof code === 'string' && /^[A-Za-z0-9 -]{1,20}$/.test(code))
        Object.assign(ctx.state, { [givenCode]: code });
      ctx.query = query;
    }
    await next();
    // Typed as a text; undefined where there is none.
    const location = String(ctx.response.get('location') ?? '');
    if (location.startsWith(`${outOfBand}?`))
      ctx.set('location', `${issuer}/success${location.slice(outOfBand.length)}`);
    // Signing out may lead to an application: not as the answer to our form.
    else if (ctx.path === '/session/end/confirm' && location && !location.startsWith(`${issuer}/`))
      ctx.set('location', onwardLink({ issuer, sealer }, 'sign-out', location));
    if (isSignOut(ctx)) signOutPage(ctx);
    if (ctx.type === 'text/html' && !ctx.response.get('content-security-policy')) {
      ctx.set({ 'X-Frame-Options': 'DENY', 'Content-Security-Policy': "frame-ancestors 'none'" });
    }
  });
}

/** With nobody signed in the library answers with a page that needs a script. */
function isSignOut(ctx: object): ctx is KoaContextWithOIDC {
  if (!('oidc' in ctx) || !('body' in ctx) || !('method' in ctx) || !('path' in ctx)) return false;
  return ctx.path === '/session/end' && ctx.method === 'GET' && /<form method="post"/.test(String(ctx.body));
}
