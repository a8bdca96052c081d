/** What `/verify` works with: the data plane's own judgement of tokens, from memory and live against revocation. */
import type { Config } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import type { Identifier } from '#gateway/identify.ts';
import { proxyCheck } from '#http/client-address.ts';
import type { VerifyDeps } from '#oauth/verify.ts';

export function verifyDeps(
  { http, oauth }: Config,
  deps: { readonly identifier: Identifier; readonly takeStranger: VerifyDeps['takeStranger'] },
): VerifyDeps {
  return {
    isProxy: proxyCheck(http.trustedProxies),
    resources: oauth.resources,
    passToken: oauth.passToken,
    takeStranger: deps.takeStranger,
    async identify(headers, request) {
      const { principal, provider } = await deps.identifier.identify({ ...headers, apiKey: undefined }, request);
      // A key is for MCP paths of its organization, and says of nobody who they are.
      if (principal.kind === 'api-key') throw new GatehouseError('invalid_token');
      const { subject, name, email, organization: named, claims, scopes } = principal;
      const audiences = [claims.aud ?? []].flat().filter((value) => typeof value === 'string');
      // Whoever can be asked is: the token may be older than what became of the membership.
      const isMember = named !== undefined && (!provider?.memberships || (await provider.memberships(subject, named)));
      return { subject, name, email, organization: isMember ? named : undefined, audiences, scopes };
    },
  };
}
