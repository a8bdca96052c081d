/** Scopes and resources in words that people understand. */
import { parseResource, type ResourceRules } from '#oauth/resource.ts';

const scopeWords: Readonly<Record<string, string>> = {
  'mcp:read': 'See the tools, resources and prompts you can use, and read them',
  'mcp:write': 'Run tools for you',
  openid: 'Know that it is you',
  profile: 'See your name and username',
  email: 'See your e-mail address',
  offline_access: 'Stay connected until you take this back',
};

/** `mcp:session` has no effect, and needs no words. Scopes without words are shown by their name. */
export function describeScopes(scopes: readonly string[]): readonly string[] {
  return scopes.flatMap((scope) => (scope === 'mcp:session' ? [] : (scopeWords[scope] ?? scope)));
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
