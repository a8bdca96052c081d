/** gatehouse.yaml as a value whose every place is known by line and column. No aliases, no tags, no prototype keys. */
import { isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import { settingError } from '#core/error.ts';

const maxBytes = 1024 * 1024;
const maxDepth = 64;

export type Path = readonly (string | number)[];

export interface YamlFile {
  readonly value: unknown;
  /** `file:line:column` of the value at `path`, or of its nearest parent that is in the file. */
  locate(path: Path): string;
}

/** Called for every text in the file: answers what it stands for. */
export type Visit = (value: string, path: Path, place: string) => string;

export function parseYaml(source: string, file: string, visit: Visit): YamlFile {
  if (source.length > maxBytes) throw settingError(`${file} is larger than 1 MiB: split it`);
  const lines = new LineCounter();
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const document = parseDocument(source, { lineCounter: lines, schema: 'core', uniqueKeys: true, prettyErrors: false });
  const problem = document.errors[0];
  if (problem)
    throw settingError(`${place(problem.pos[0])}: ${problem.message.replace(/\s+/g, ' ')}: correct the YAML here`);

  const walk = (node: unknown, path: Path): unknown => {
    if (path.length > maxDepth) throw settingError(`${file} is nested deeper than ${maxDepth} levels: flatten it`);
    if (isMap(node)) return Object.fromEntries(node.items.map((pair) => entry(pair, path)));
    if (isSeq(node)) return node.items.map((item, index) => walk(item, [...path, index]));
    if (isScalar(node)) {
      return typeof node.value === 'string' ? visit(node.value, path, place(node.range?.[0] ?? 0)) : node.value;
    }
    if (node === null || node === undefined) return null;
    const at = place(startOf(node) ?? 0);
    throw settingError(`${at}: aliases (*name) are not accepted: write the value out`);
  };
  const entry = ({ key, value }: Pair, path: Path): readonly [string, unknown] => {
    const name = isScalar(key) ? String(key.value) : '';
    if (['', '__proto__', 'constructor', 'prototype'].includes(name)) {
      throw settingError(`${place(isScalar(key) ? (key.range?.[0] ?? 0) : 0)}: this key is not accepted: remove it`);
    }
    return [name, walk(value, [...path, name])];
  };
  return {
    value: walk(document.contents, []) ?? {},
    locate(path) {
      for (let length = path.length; length > 0; length--) {
        const offset = offsetOf(document.contents, path.slice(0, length));
        if (offset !== undefined) return place(offset);
      }
      return `${file}:1:1`;
    },
  };
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** Of a key inside a map (where an unknown one is to be removed), of an item inside a list. */
function offsetOf(root: unknown, path: Path): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const step of path) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (!pair) return undefined;
      offset = isScalar(pair.key) ? pair.key.range?.[0] : undefined;
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      offset = startOf(node);
    } else return undefined;
  }
  return offset;
}
