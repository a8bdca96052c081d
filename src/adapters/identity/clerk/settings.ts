import { z } from 'zod';
import { commonSettings } from '#adapters/identity/common.ts';
import { frontendApiOf } from './publishable-key.ts';

const webUrl = z.url({ protocol: /^https?$/ });

export const clerkConfig = z
  .strictObject({
    ...commonSettings,
    secretKey: z.string().min(1).describe('`sk_live_…` or `sk_test_…`: for the Backend API.'),
    publishableKey: z
      .string()
      .min(1)
      .optional()
      .describe('`pk_live_…` or `pk_test_…`: names the Frontend API, which is the issuer.'),
    frontendApi: webUrl
      .optional()
      .describe("In place of `publishableKey`: the Frontend API's address, e.g. https://clerk.example.com."),
    apiUrl: webUrl
      .default('https://api.clerk.com')
      .describe('The Backend API: for a proxy in between, or an emulator.'),
    authorizedParties: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe(
        'Origins (`azp`) whose session tokens are accepted, e.g. `["https://app.example.com"]`; unset: every page that signs people in at this Clerk instance may call.',
      ),
    audiences: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe(
        'Accepted in `aud`. Session tokens have none, and OAuth tokens only where a resource was asked for: set, an OAuth token must name one of these; unset, a token that names any audience is refused.',
      ),
    opaqueTokens: z
      .boolean()
      .default(true)
      .describe('Accept opaque OAuth access tokens (`oat_…`), each asked about at Clerk once a minute.'),
    webhookSecret: z
      .string()
      .regex(/^(?:whsec_)?[A-Za-z0-9+/]{8,}={0,2}$/, 'must be the signing secret of the endpoint, whsec_…')
      .optional()
      .describe('Of the endpoint /api/webhooks/clerk, from the dashboard: `whsec_…`.'),
    clientId: z
      .string()
      .min(1)
      .optional()
      .describe('OAuth application of the instance: set, people sign in through the gateway (mode broker).'),
    clientSecret: z.string().min(1).optional().describe('Unset: a public client.'),
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
