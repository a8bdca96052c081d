import { z } from 'zod';
import { commonSettings } from '#adapters/identity/common.ts';
import { frontendApiOf } from './publishable-key.ts';

const webUrl = z.url({ protocol: /^https?$/ });

export const clerkConfig = z
  .strictObject({
    ...commonSettings,
    /** `sk_live_…` or `sk_test_…`: for the Backend API. */
    secretKey: z.string().min(1),
    /** `pk_live_…` or `pk_test_…`: names the Frontend API, which is the issuer. */
    publishableKey: z.string().min(1).optional(),
    /** In place of `publishableKey`: the Frontend API's address, e.g. https://clerk.example.com. */
    frontendApi: webUrl.optional(),
    apiUrl: webUrl.default('https://api.clerk.com'),
    /**
     * Origins (`azp`) whose session tokens are accepted, e.g. `["https://app.example.com"]`; unset: every page that signs
     * people in at this Clerk instance may call.
     */
    authorizedParties: z.array(z.string().min(1)).min(1).optional(),
    /**
     * Accepted in `aud`. Session tokens have none, and OAuth tokens only where a resource was asked for: set, an OAuth token
     * must name one of these; unset, a token that names any audience is refused.
     */
    audiences: z.array(z.string().min(1)).min(1).optional(),
    /** Accept opaque OAuth access tokens (`oat_…`), each asked about at Clerk once a minute. */
    opaqueTokens: z.boolean().default(true),
    /** OAuth application of the instance: set, people sign in through the gateway (mode broker). */
    clientId: z.string().min(1).optional(),
    /** Unset: a public client. */
    clientSecret: z.string().min(1).optional(),
  })
  .superRefine((value, context) => {
    for (const { path, message } of listProblems(value)) context.addIssue({ code: 'custom', path: [path], message });
  });

export type ClerkConfig = z.output<typeof clerkConfig>;

type Given = Pick<ClerkConfig, 'mode' | 'publishableKey' | 'frontendApi' | 'clientId' | 'clientSecret'>;

export const modeOf = ({ mode, clientId }: Given) => mode ?? (clientId === undefined ? 'direct' : 'broker');

/** The address of the Frontend API, and so the issuer: without a slash at the end. Never undefined once settings are checked. */
export function issuerOf({ frontendApi, publishableKey }: Given): string {
  const address = frontendApi ?? (publishableKey === undefined ? undefined : frontendApiOf(publishableKey));
  return (address ?? '').replace(/\/+$/, '');
}

function listProblems(settings: Given): readonly { readonly path: string; readonly message: string }[] {
  const { mode, clientId, clientSecret, publishableKey, frontendApi } = settings;
  const problems = [
    mode === 'bridge' && { path: 'mode', message: 'must be broker or direct' },
    mode === 'broker' && clientId === undefined && { path: 'clientId', message: 'is needed to sign people in' },
    clientSecret !== undefined && clientId === undefined && { path: 'clientId', message: 'belongs to clientSecret' },
    publishableKey === undefined &&
      frontendApi === undefined && { path: 'publishableKey', message: 'or frontendApi is needed: it names the issuer' },
    publishableKey !== undefined &&
      frontendApiOf(publishableKey) === undefined && {
        path: 'publishableKey',
        message: 'must be a publishable key of Clerk, pk_live_… or pk_test_…',
      },
  ];
  return problems.filter((problem) => problem !== false);
}
