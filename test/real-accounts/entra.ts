/**
 * Microsoft Entra ID: directory, application and secret. ENTRA_TEST_ID_TOKEN (of a sign-in through the bridge) and
 * ENTRA_TEST_OID (a user's object id; the secret needs GroupMember.Read.All) go further.
 */
import { entraAdapter } from '#adapters/identity/entra/entra.ts';
import { openGroupLookup } from '#adapters/identity/entra/groups.ts';
import { Secret } from '#core/secret.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { type Account, type AccountCheck, codeOf, expectSame } from './account.ts';

export const entraAccount: Account = {
  vendor: 'Microsoft Entra ID',
  variables: ['ENTRA_TENANT_ID', 'ENTRA_CLIENT_ID', 'ENTRA_CLIENT_SECRET'],
  checks(env, deps) {
    const {
      ENTRA_TENANT_ID: tenantId = '',
      ENTRA_CLIENT_ID: clientId = '',
      ENTRA_CLIENT_SECRET: clientSecret = '',
    } = env;
    const open = (mode: 'broker' | 'bridge') =>
      entraAdapter.open(entraAdapter.config.parse({ tenantId, clientId, clientSecret, mode }), deps);
    const bridge = open('bridge');
    const issuer = `https://login.microsoftonline.com/${tenantId}/v2.0`;
    const lookup = openGroupLookup({ ...deps, clientId, secret: new Secret(clientSecret) });
    return [
      {
        title: 'the directory names itself',
        run: async () => void expectSame((await bridge.metadata?.())?.issuer, issuer),
      },
      {
        title: 'its keys can be had, and refuse a token under a foreign key',
        async run() {
          const stranger = await createSigningKeys('RS256');
          const iat = Math.floor(Date.now() / 1000);
          const claims = { iss: issuer, aud: clientId, tid: tenantId, oid: 'o', sub: 's', iat, exp: iat + 60 };
          expectSame(await codeOf(bridge.verify(await stranger.sign(claims))), 'invalid_token');
          return undefined;
        },
      },
      {
        title: 'sign-in begins at the directory',
        async run() {
          const { signIn } = open('broker');
          if (signIn?.method !== 'redirect') throw new Error('no sign-in by redirect');
          const { url } = await signIn.start({ redirectUri: 'http://localhost:3000/callback', state: 's' });
          expectSame(new URL(url).pathname, `/${tenantId}/oauth2/v2.0/authorize`);
          return undefined;
        },
      },
      ...further(
        env,
        (token) => bridge.verify(token),
        (oid) => lookup.find({ tid: tenantId, oid }),
      ),
    ];
  },
};

function further(
  { ENTRA_TEST_ID_TOKEN: token, ENTRA_TEST_OID: oid }: Readonly<Record<string, string>>,
  verify: (token: string) => Promise<unknown>,
  findGroups: (oid: string) => Promise<readonly string[] | undefined>,
): readonly AccountCheck[] {
  return [
    {
      title: 'an ID token of the application is accepted in bridge mode',
      async run() {
        if (token === undefined) return 'ENTRA_TEST_ID_TOKEN not set';
        await verify(token);
        return undefined;
      },
    },
    {
      title: 'Graph tells the groups of a user',
      async run() {
        if (oid === undefined) return 'ENTRA_TEST_OID not set';
        if (!(await findGroups(oid))) throw new Error('Graph refuses: is GroupMember.Read.All granted?');
        return undefined;
      },
    },
  ];
}
