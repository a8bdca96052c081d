/** Which scopes a refresh may name. */
import type { CanBePromise, TokenEndpointGrantContext } from 'oidc-provider';

type Handler<Params extends object> = (ctx: TokenEndpointGrantContext<Params>) => CanBePromise<void>;

/**
 * Around the handler of the refresh grant (RFC 6749 6): `offline_access` is passed over. Every sign-in gets a refresh
 * token, whether it asked for that scope or not, and the library grants it only where the client asked for consent as
 * OpenID Connect Core 11 has it; clients repeat what they asked for, and would be refused for a scope that changes nothing.
 */
export function withoutOfflineAccess<Params extends object>(handler: Handler<Params>): Handler<Params> {
  return (ctx) => {
    const { params } = ctx.oidc;
    if ('scope' in params && typeof params.scope === 'string') {
      const kept = params.scope.split(' ').filter((scope) => scope !== 'offline_access');
      Object.assign(params, { scope: kept.length > 0 ? kept.join(' ') : undefined });
    }
    return handler(ctx);
  };
}
