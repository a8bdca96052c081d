import type { JWTPayload } from 'jose';
import { findText, findTexts } from '#adapters/identity/claims.ts';
import { type CommonSettings, mapRoles } from '#adapters/identity/common.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Directory } from './directories.ts';
import type { GroupLookup } from './groups.ts';

export interface EntraClaims extends JWTPayload {
  readonly tid: string;
  readonly oid: string;
}

export interface Person {
  /** Unique over all directories. */
  readonly subject: string;
  readonly organization: string;
  readonly email: string | undefined;
  readonly emailVerified: boolean;
  readonly name: string | undefined;
  readonly username: string | undefined;
  /** App roles, and what groups and directory roles map to. */
  readonly roles: readonly string[];
  /** Object ids, and template ids of directory roles. */
  readonly groups: readonly string[];
  /** The groups come from Graph: the token had no room for them. */
  readonly overage: boolean;
}

export interface People {
  /** Throws `forbidden` where the groups are nowhere to be had, `identity_unavailable`. */
  describe(claims: EntraClaims, directory: Directory): Promise<Person>;
}

type Settings = Pick<CommonSettings, 'rolesClaim' | 'groupsClaim' | 'organizationClaim' | 'roleMapping'>;

export function openPeople(
  settings: Settings,
  { groups: lookup, log }: { readonly groups: GroupLookup | undefined; readonly log: Log },
): People {
  const { rolesClaim = 'roles', groupsClaim = 'groups', organizationClaim } = settings;
  return {
    async describe(claims, directory) {
      const { tid, oid } = claims;
      const overage = hasOverage(claims);
      const own = overage ? await findGroups({ tid, oid }, lookup, log) : findTexts(claims, groupsClaim);
      const groups = [...own, ...findTexts(claims, 'wids')];
      const named = directory.own ? findText(claims, organizationClaim) : undefined;
      return {
        subject: `${tid}.${oid}`,
        organization: named ?? directory.organization,
        email: findText(claims, 'email'),
        emailVerified: isDomainOwner(claims.xms_edov),
        name: findText(claims, 'name'),
        username: findText(claims, 'preferred_username') ?? findText(claims, 'upn'),
        roles: mapRoles(settings, { roles: findTexts(claims, rolesClaim), groups }),
        groups,
        overage,
      };
    },
  };
}

/** More than 200 groups: a JWT names where they are instead, one of the implicit flow says so in a word. */
function hasOverage(claims: EntraClaims): boolean {
  const { _claim_names: elsewhere, hasgroups } = claims;
  if (hasgroups === true || hasgroups === 'true') return true;
  return typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, 'groups');
}

/** `xms_edov`: the e-mail's domain is proved to be the directory's. Entra has sent it in each of these forms. */
const isDomainOwner = (value: unknown) => value === true || value === 1 || value === '1' || value === 'true';

/** Never silently without groups: a rule that forbids something to a group would no longer hold. */
async function findGroups(
  user: Pick<EntraClaims, 'tid' | 'oid'>,
  lookup: GroupLookup | undefined,
  log: Log,
): Promise<readonly string[]> {
  const groups = await lookup?.find(user);
  if (groups) return groups;
  if (!lookup) {
    log.error(
      { subject: `${user.tid}.${user.oid}` },
      'Denied: Entra left the groups out of a token, for there are more than 200. Set clientSecret (ENTRA_CLIENT_SECRET) ' +
        'and grant the application permission GroupMember.Read.All, or let Entra send only groups assigned to the application',
    );
  }
  throw new GatehouseError('forbidden', { message: 'Your groups cannot be determined: ask your administrator' });
}
