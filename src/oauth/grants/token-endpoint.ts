import type Provider from 'oidc-provider';

/** Endpoints that take forms only (RFC 6749 3.2): nothing in the URL, where logs and histories would keep it (A22). */
export function takeFormsOnly(provider: Provider, paths: readonly string[]): void {
  provider.use(async (ctx, next) => {
    if (!paths.includes(ctx.path) || ctx.method === 'OPTIONS') return next();
    const refuse = (status: number, description: string) => {
      ctx.status = status;
      ctx.set('Cache-Control', 'no-store');
      ctx.body = { error: 'invalid_request', error_description: description };
    };
    if (ctx.method !== 'POST') {
      ctx.set('Allow', 'POST');
      return refuse(405, 'only POST is supported');
    }
    if (ctx.querystring !== '') return refuse(400, 'parameters belong into the body');
    await next();
  });
}
