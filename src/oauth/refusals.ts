/** Why an OAuth request was refused, on record: the answer must say less, and the line of the request says a status only. */
import type Provider from 'oidc-provider';
import type { errors, KoaContextWithOIDC } from 'oidc-provider';
import type { Log } from '#core/log.ts';

/** Answers of an ordinary day: a device that asks whether somebody agreed, a person who said no. */
const ordinary: ReadonlySet<string> = new Set(['authorization_pending', 'slow_down', 'access_denied']);

export function recordRefusals(provider: Provider, { log }: { readonly log: Log }): void {
  const record = (ctx: KoaContextWithOIDC, refusal: errors.OIDCProviderError) => {
    const { error, error_description: description, error_detail: detail } = refusal;
    if (ordinary.has(error)) return;
    const asked: unknown = ctx.oidc.params?.client_id;
    const client = ctx.oidc.client?.clientId ?? (typeof asked === 'string' ? asked.slice(0, 256) : undefined);
    log.warn({ event: 'oauth_refused', path: ctx.path, client, error, description, detail }, `sign-in: ${error}`);
  };
  provider.on('authorization.error', record);
  provider.on('pushed_authorization_request.error', record);
  provider.on('device_authorization.error', record);
  provider.on('grant.error', record);
  provider.on('introspection.error', record);
  provider.on('revocation.error', record);
  provider.on('end_session.error', record);
}
