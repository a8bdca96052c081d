/** RFC 9309: may this agent fetch this path? */
export interface RobotsRules {
  allows(path: string): boolean;
}

interface Rule {
  readonly allow: boolean;
  readonly pattern: string;
}

export const allowAll: RobotsRules = { allows: () => true };
export const denyAll: RobotsRules = { allows: () => false };

const MAX_LINES = 5000;
const MAX_PATTERN = 1024;

/** `agent`: our product token, lower case. Its own group wins over `*`; the longest matching rule wins, allow on a tie. */
export function parseRobots(body: string, agent: string): RobotsRules {
  const groups = new Map<string, Rule[]>();
  let agents: string[] = [];
  let isOpen = false;
  for (const raw of body.split(/\r\n|\r|\n/, MAX_LINES)) {
    const [, key = '', value = ''] = /^\s*([A-Za-z-]+)\s*:\s*([^#]*?)\s*(?:#.*)?$/.exec(raw.slice(0, 2048)) ?? [];
    const field = key.toLowerCase();
    if (field === 'user-agent') {
      if (!isOpen) agents = [];
      isOpen = true;
      agents.push(value.toLowerCase());
      for (const name of agents) if (!groups.has(name)) groups.set(name, []);
    } else if (field === 'allow' || field === 'disallow') {
      isOpen = false;
      if (value === '' || value.length > MAX_PATTERN) continue;
      for (const name of agents) groups.get(name)?.push({ allow: field === 'allow', pattern: value });
    }
  }
  const rules = groups.get(agent) ?? groups.get('*') ?? [];
  return { allows: (path) => decide(rules, path) };
}

function decide(rules: readonly Rule[], path: string): boolean {
  let best: Rule | undefined;
  for (const rule of rules) {
    if (!matches(rule.pattern, path)) continue;
    const longer = !best || rule.pattern.length > best.pattern.length;
    if (longer || (rule.allow && rule.pattern.length === best?.pattern.length)) best = rule;
  }
  return best?.allow ?? true;
}

/** `*` stands for anything, a final `$` for the end. Linear in practice: no regular expression is built from the text. */
function matches(pattern: string, path: string): boolean {
  const anchored = pattern.endsWith('$');
  const [first = '', ...parts] = (anchored ? pattern.slice(0, -1) : pattern).split('*');
  if (!path.startsWith(first)) return false;
  let at = first.length;
  for (const [i, part] of parts.entries()) {
    if (anchored && i === parts.length - 1) return path.length - part.length >= at && path.endsWith(part);
    const found = path.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return !anchored || at === path.length;
}
