/** What Entra ID signs, claim by claim as Microsoft documents it: ID tokens, access tokens v1 and v2, Graph's own. */
import { createHash } from 'node:crypto';
import { type Claims, createSigningKeys, type SigningKeys, type SignOptions } from './signing-keys.ts';

export const loginHost = 'login.microsoftonline.com';
export const graphHost = 'graph.microsoft.com';
export const graphAppId = '00000003-0000-0000-c000-000000000000';
/** The directory of personal Microsoft accounts. */
export const consumersTenant = '9188040d-6c67-4c5b-b112-36a304b66dad';
/** Above this many groups a JWT has none of them, only a hint (`_claim_names`). */
const maxGroups = 200;

export interface EntraUser {
  readonly oid: string;
  readonly upn: string;
  readonly name: string;
  readonly email?: string;
  /** App roles. */
  readonly roles?: readonly string[];
  /** Object ids of groups. */
  readonly groups?: readonly string[];
  /** Template ids of directory roles. */
  readonly wids?: readonly string[];
  /** May consent for the directory. */
  readonly administrator?: boolean;
}

export interface EntraTokens {
  readonly keys: SigningKeys;
  idToken(tenant: string, user: EntraUser, claims?: Claims, options?: SignOptions): Promise<string>;
  /** For the application's own API. */
  accessToken(tenant: string, user: EntraUser, claims?: Claims, options?: SignOptions): Promise<string>;
  /** The same of version 1.0: another issuer, another audience, `appid` instead of `azp`. */
  accessTokenV1(tenant: string, user: EntraUser, claims?: Claims, options?: SignOptions): Promise<string>;
  /** Of an application without a user. */
  appToken(tenant: string, oid: string, claims?: Claims): Promise<string>;
  /** For Microsoft Graph: signed over a nonce that is hashed in the header, so that nobody else can verify it. */
  graphToken(tenant: string, user: EntraUser): Promise<string>;
}

export interface EntraTokensOptions {
  readonly clientId: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly lifetimeSeconds?: number;
}

export async function createEntraTokens(options: EntraTokensOptions): Promise<EntraTokens> {
  const { clientId, now, lifetimeSeconds = 3600 } = options;
  const keys = await createSigningKeys('RS256');
  const times = () => {
    const iat = Math.floor(now() / 1000);
    return { iat, nbf: iat, exp: iat + lifetimeSeconds };
  };
  const v2 = (tid: string) => ({ iss: `https://${loginHost}/${tid}/v2.0`, ver: '2.0', tid });
  const v1 = (tid: string) => ({ iss: `https://sts.windows.net/${tid}/`, ver: '1.0', tid });
  const common = () => ({ ...times(), uti: crypto.randomUUID().slice(0, 22), rh: '0.AAAA' });
  const sign = (claims: Claims, more: Claims | undefined, sent: SignOptions | undefined) =>
    keys.sign({ ...claims, ...more }, sent);

  return {
    keys,
    idToken: (tid, user, claims, sent) =>
      sign({ ...v2(tid), aud: clientId, ...common(), ...person(tid, user, clientId) }, claims, sent),
    accessToken: (tid, user, claims, sent) =>
      sign(
        {
          ...v2(tid),
          aud: clientId,
          ...common(),
          ...person(tid, user, clientId),
          azp: clientId,
          azpacr: '0',
          scp: 'mcp.access',
        },
        claims,
        sent,
      ),
    accessTokenV1: (tid, user, claims, sent) =>
      sign(
        {
          ...v1(tid),
          aud: `api://${clientId}`,
          ...common(),
          ...person(tid, user, clientId),
          preferred_username: undefined,
          upn: user.upn,
          unique_name: user.upn,
          appid: clientId,
          appidacr: '0',
          scp: 'mcp.access',
        },
        claims,
        sent,
      ),
    appToken: (tid, oid, claims) =>
      sign({ ...v2(tid), aud: clientId, ...common(), oid, sub: oid, azp: clientId, azpacr: '1' }, claims, undefined),
    async graphToken(tid, user) {
      const nonce = crypto.randomUUID();
      const claims = { ...v1(tid), aud: graphAppId, ...common(), ...person(tid, user, graphAppId) };
      const hashed = createHash('sha256').update(nonce).digest('base64url');
      const signed = await keys.sign(
        { ...claims, appid: clientId, scp: 'openid profile email User.Read' },
        { header: { nonce: hashed } },
      );
      const [head = '', payload, signature] = signed.split('.');
      const shown = { ...JSON.parse(Buffer.from(head, 'base64url').toString()), nonce };
      return [Buffer.from(JSON.stringify(shown)).toString('base64url'), payload, signature].join('.');
    },
  };
}

/** `sub` is another one for every application; who somebody is, is `oid` within `tid`. */
function person(tid: string, user: EntraUser, clientId: string): Claims {
  const { oid, upn, name, email, roles, wids } = user;
  return {
    oid,
    sub: createHash('sha256').update(`${oid} ${clientId}`).digest('base64url'),
    preferred_username: upn,
    name,
    email,
    roles,
    wids,
    ...groupsOf(tid, user),
  };
}

function groupsOf(tid: string, { oid, groups }: EntraUser): Claims {
  if (!groups) return {};
  if (groups.length <= maxGroups) return { groups };
  // The address is of an API that is gone; Microsoft's documents say to ignore it.
  const endpoint = `https://graph.windows.net/${tid}/users/${oid}/getMemberObjects`;
  return { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint } } };
}

/** The token with other claims under the old signature. */
export function withOther(token: string, claims: Claims): string {
  const [head, body = '', signature] = token.split('.');
  const said = JSON.parse(Buffer.from(body, 'base64url').toString());
  return `${head}.${Buffer.from(JSON.stringify({ ...said, ...claims })).toString('base64url')}.${signature}`;
}
