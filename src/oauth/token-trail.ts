/** Tokens that are issued, refused and revoked: for the trail, never the tokens themselves. */
import type Provider from 'oidc-provider';
import type { errors, KoaContextWithOIDC } from 'oidc-provider';
import type { AddressReader } from '#http/client-address.ts';
import type { AuditEvent, AuditTrail } from '#records/audit/event.ts';

interface TokenTrailDeps {
  readonly issuer: string;
  readonly trail?: AuditTrail | undefined;
  readonly readAddress: AddressReader;
}

/** Answers of an ordinary day: a device that asks whether somebody agreed. */
const ordinary: ReadonlySet<string> = new Set(['authorization_pending', 'slow_down']);

export function recordTokens(provider: Provider, { issuer, trail, readAddress }: TokenTrailDeps): void {
  if (!trail) return;
  const seen = (ctx: KoaContextWithOIDC, action: string, more: Partial<AuditEvent> = {}): void => {
    const { account, client, params, entities } = ctx.oidc;
    const { socket, headers } = ctx.req;
    const subject = account?.accountId ?? entities.RefreshToken?.accountId ?? entities.AuthorizationCode?.accountId;
    const grant = params?.grant_type;
    void trail.record({
      ...{ kind: 'sign_in', action },
      ...(subject !== undefined && { actor: { kind: 'user', issuer, subject } }),
      clientAddress: readAddress(socket.remoteAddress ?? '', headers['x-forwarded-for']?.toString()),
      userAgent: headers['user-agent'],
      detail: { client: client?.clientId ?? null, grant: typeof grant === 'string' ? grant.slice(0, 128) : null },
      ...more,
    });
  };
  provider.on('grant.success', (ctx) => seen(ctx, 'token.issued'));
  provider.on('grant.revoked', (ctx) => seen(ctx, 'token.revoked'));
  provider.on('end_session.success', (ctx) => seen(ctx, 'sign_in.ended'));
  provider.on('grant.error', (ctx: KoaContextWithOIDC, refusal: errors.OIDCProviderError) => {
    if (ordinary.has(refusal.error)) return;
    const isReused = refusal.error_detail === 'refresh token already used';
    seen(ctx, isReused ? 'token.reused' : 'token.refused', { refused: 'invalid_token' });
  });
}
