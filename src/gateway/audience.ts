/**
 * What a token is for (RFC 8707, RFC 9728 7.4; SECURITY B1). One that names endpoints of ours is good at those only, at
 * each of their URLs; a name of the whole organization or gateway covers what is in it, never the other way round.
 */
import { type McpPath, otherSpelling } from '#core/mcp-path.ts';
import { parseResource, type Resource, type ResourceRules } from '#core/resource.ts';

/** undefined: the token names nothing of ours, as those of identity providers that know no resources. */
export type Audience = readonly Resource[] | undefined;

/** A resource of ours in a spelling that isn't ours counts as one that nothing matches, never as if it were not there. */
export function readAudience(aud: unknown, rules: ResourceRules): Audience {
  const values = [aud ?? []].flat().filter((value) => typeof value === 'string');
  const ours = values.filter((value) => isOurs(value, rules));
  if (ours.length === 0) return undefined;
  return ours.flatMap((value) => parseResource(value, rules) ?? []);
}

/** Also in a spelling that none of our documents has: upper case, the default port, a fragment. */
function isOurs(value: string, rules: ResourceRules): boolean {
  if (parseResource(value, rules)) return true;
  if (!URL.canParse(value)) return false;
  const { origin, pathname } = new URL(value);
  return (
    parseResource(origin + pathname, { ...rules, baseUrl: new URL(rules.baseUrl).href.replace(/\/$/, '') }) !==
    undefined
  );
}

/**
 * `alias`: good if the called organization or endpoint is the one that the token names by another name, which only
 * members may learn. Decided from the words alone: nothing is looked up.
 */
export function judgeAudience(
  audience: Audience,
  path: McpPath,
  /** An organization is asked for by header. */
  isSelected: boolean,
): 'good' | 'alias' | 'wrong' {
  if (!audience) return 'good';
  let judged: 'alias' | 'wrong' = 'wrong';
  for (const resource of audience) {
    if (resource.kind === 'gateway') return 'good';
    if (resource.kind === 'external') continue;
    const { name } = resource.path;
    const isAnother = name !== undefined && name !== path.name;
    if (isAnother && (path.name === undefined || name !== otherSpelling(path.name))) continue;
    if (
      !isAnother &&
      resource.path.organization === path.organization &&
      (path.organization !== undefined || !isSelected)
    )
      return 'good';
    judged = 'alias';
  }
  return judged;
}

export interface Called {
  /** Whether this is a name of the organization that was called. */
  readonly isNamed: (name: string) => boolean;
  /** Whether this is a name of the endpoint that was called. */
  readonly isEndpoint: (name: string) => boolean;
  /** The organization of the token itself, which `/mcp` without an organization means. */
  readonly own: string | undefined;
}

/** Of an `alias`: whether organization and endpoint, by whatever names they were called, are ones that the token names. */
export function coversEndpoint(audience: Audience, { isNamed, isEndpoint, own }: Called): boolean {
  if (!audience) return true;
  return audience.some((resource) => {
    if (resource.kind === 'gateway') return true;
    if (resource.kind === 'external') return false;
    if (resource.path.name !== undefined && !isEndpoint(resource.path.name)) return false;
    const named = resource.path.organization ?? own;
    return named !== undefined && isNamed(named);
  });
}
