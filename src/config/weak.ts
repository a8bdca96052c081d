/** Secrets that everybody knows: copied from examples, or too regular to be random. */
const placeholder =
  /^<|(change[-_ ]?(me|it|this)|your[-_ ]|replace[-_ ]?(me|this)|example|placeholder|insert[-_ ]|default[-_ ]?(key|secret)|p[a4]ssw[o0]rd|supersecret|todo|dev[-_ ]?(key|secret)|test[-_ ]?(key|secret))/i;

export function isPlaceholder(value: string): boolean {
  return placeholder.test(value) || /^(.)\1+$/.test(value);
}

/** For keys that must be random: fewer than eight different characters, one short piece repeated, or a placeholder. */
export function isWeakKey(value: string): boolean {
  return isPlaceholder(value) || new Set(value).size < 8 || /^(.{1,16}?)\1+.{0,15}$/s.test(value);
}
