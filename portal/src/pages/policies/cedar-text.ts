/** Cedar as one text, and the gateway's messages about its policies mapped to places in it. */

export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Finding extends Range {
  readonly severity: 'error' | 'warning';
  readonly message: string;
}

/** Where each policy stands: from its first word (annotations and comments before it count) to its semicolon. */
export function policyRanges(text: string): readonly Range[] {
  const ranges: Range[] = [];
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') i = endOfString(text, i);
    else if (text.startsWith('//', i)) i = endOfLine(text, i);
    else if (text[i] === ';') {
      ranges.push(trimmed(text, from, i + 1));
      from = i + 1;
    }
  }
  const rest = trimmed(text, from, text.length);
  return rest.from < rest.to && !/^(\s*\/\/[^\n]*\n?)*\s*$/.test(text.slice(rest.from)) ? [...ranges, rest] : ranges;
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}

const endOfLine = (text: string, start: number): number => {
  const end = text.indexOf('\n', start);
  return end === -1 ? text.length : end;
};

function trimmed(text: string, from: number, to: number): Range {
  const part = text.slice(from, to);
  return { from: from + (part.length - part.trimStart().length), to: from + part.trimEnd().length };
}

const _splitPolicies = (text: string): readonly string[] =>
  policyRanges(text).map(({ from, to }) => text.slice(from, to));

/** Messages begin with `policy3:` or an `@id`, and quote what is wrong: that is where they belong. */
export function findingsIn(text: string, messages: readonly string[], severity: Finding['severity']): Finding[] {
  const ranges = policyRanges(text);
  return messages.map((message) => {
    const range = rangeOf(message, text, ranges);
    return { ...narrowed(message, text, range), severity, message };
  });
}

function rangeOf(message: string, text: string, ranges: readonly Range[]): Range {
  const [, name = '', number] = /^([^\s:]*?(\d*)):/.exec(message) ?? [];
  const named = ranges.find(({ from, to }) => name !== '' && text.slice(from, to).includes(`@id("${name}")`));
  const numbered = /^policy\d+$/.test(name) ? ranges[Number(number)] : undefined;
  return named ?? numbered ?? { from: 0, to: text.length };
}

/** The first of the words in quotation marks that stands there. */
function narrowed(message: string, text: string, range: Range): Range {
  const quoted = [...message.matchAll(/`([^`]+)`|"([^"]+)"/g)].map(([, tick, plain]) => tick ?? plain ?? '');
  const part = text.slice(range.from, range.to);
  for (const word of quoted) {
    const at = word === '' ? -1 : part.indexOf(word);
    if (at !== -1) return { from: range.from + at, to: range.from + at + word.length };
  }
  const line = part.indexOf('\n');
  return { from: range.from, to: line === -1 ? range.to : range.from + line };
}

type Bag = Readonly<Record<string, unknown>>;

export interface CedarParts {
  readonly text: string;
  /** There is more than policies: entities, names of claims. */
  readonly hasMore: boolean;
}

/** Of a set as it is kept. */
export function partsOf(config: Bag): CedarParts {
  const cedar = (config.cedar ?? {}) as Bag;
  const policies = Array.isArray(cedar.policies) ? cedar.policies.map(String) : [];
  const others = Object.entries(cedar).filter(
    ([name, value]) => name !== 'policies' && ![undefined, null, '', '[]'].includes(value as string),
  );
  return { text: policies.join('\n\n'), hasMore: others.length > 0 };
}
