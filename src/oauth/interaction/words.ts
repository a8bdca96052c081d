/** Scopes and resources in words that people understand. */
import { parseResource, type ResourceRules } from '#oauth/resource.ts';

const scopeWords: Readonly<Record<string, string>> = {
  'admin:*': 'Administer for you what you administer: members, groups, servers, keys',
  'mcp:read': 'See the tools, resources and prompts you can use, and read them',
  'mcp:write': 'Run tools for you',
  openid: 'Know that it is you',
  profile: 'See your name and username',
  email: 'See your e-mail address',
  offline_access: 'Stay connected until you take this back',
};

/** What matters most first. `mcp:session` has no effect, and needs no words; scopes without words are shown by their name. */
export function describeScopes(scopes: readonly string[]): readonly string[] {
  const known = Object.entries(scopeWords).flatMap(([scope, words]) => (scopes.includes(scope) ? words : []));
  const others = scopes.filter((scope) => scope !== 'mcp:session' && !Object.hasOwn(scopeWords, scope));
  return [...known, ...others];
}

export function describeResource(resource: string, rules: ResourceRules): string {
  const parsed = parseResource(resource, rules);
  if (parsed?.kind === 'endpoint') {
    const { organization, name } = parsed.path;
    if (organization === undefined && name === undefined) return 'Everything you can use in your organization';
    const where = organization === undefined ? 'in your organization' : `in the organization ${organization}`;
    return name === undefined ? `Everything you can use ${where}` : `${name} ${where}`;
  }
  return parsed?.kind === 'external' ? parsed.url : `Everything you can use at ${new URL(rules.baseUrl).host}`;
}
