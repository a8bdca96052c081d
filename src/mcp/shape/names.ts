/** Published names and real ones. A name that a careless server could take for another tool's is nobody's. */
import { looseName, looseNames } from '#mcp/enforce.ts';
import type { ToolShaping } from '#mcp/shape.ts';

interface Names {
  readonly realByPublished: ReadonlyMap<string, string>;
  /** Real names that the shaping speaks of, by what they might be taken for. */
  readonly spokenOf: ReadonlyMap<string, ReadonlySet<string>>;
}

const known = new WeakMap<ToolShaping, Names>();

/** Undefined: no tool of this name is published. A renamed tool answers to its new name only. */
export function realToolName(published: string, shaping: ToolShaping | undefined): string | undefined {
  if (!shaping) return published;
  const { realByPublished, spokenOf } = namesOf(shaping);
  const real = realByPublished.get(published);
  if (real !== undefined) return real;
  const anew = shaping.rename.get(published)?.name;
  if ((anew !== undefined && anew !== published) || !isChosen(published, shaping)) return undefined;
  const alike = foldsOf(published)?.map((fold) => spokenOf.get(fold));
  return alike?.every((names) => !names || names.has(published)) ? published : undefined;
}

/** Undefined: not published, or another tool has its name. */
export function publishedToolName(real: string, shaping: ToolShaping | undefined): string | undefined {
  const published = shaping?.rename.get(real)?.name ?? real;
  return realToolName(published, shaping) === real ? published : undefined;
}

const isChosen = (real: string, { choose, hide }: ToolShaping) => (choose?.has(real) ?? true) && !hide.has(real);

/** Undefined where it is too long to be looked at. */
function foldsOf(name: string): readonly string[] | undefined {
  try {
    return looseNames(name);
  } catch {
    return undefined;
  }
}

function namesOf(shaping: ToolShaping): Names {
  const found = known.get(shaping);
  if (found) return found;
  const realByPublished = new Map<string, string>();
  for (const [real, { name }] of shaping.rename) {
    if (name === undefined || name === real || !isChosen(real, shaping) || realByPublished.has(name)) continue;
    realByPublished.set(name, real);
  }
  const spokenOf = new Map<string, Set<string>>();
  for (const real of realNamesIn(shaping)) {
    const fold = looseName(real);
    spokenOf.set(fold, (spokenOf.get(fold) ?? new Set()).add(real));
  }
  const names = { realByPublished, spokenOf };
  known.set(shaping, names);
  return names;
}

function realNamesIn({ choose, hide, rename, rules, redact, confirm }: ToolShaping): readonly string[] {
  const confirmed = typeof confirm === 'string' ? [] : confirm;
  return [...(choose ?? []), ...hide, ...rename.keys(), ...rules.keys(), ...redact.keys(), ...confirmed];
}
