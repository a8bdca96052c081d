/**
 * Structure lint: what the compiler and Biome don't check of DESIGN's house rules. Prints `file:line  what, and what
 * to do`, and exits 1 when there is anything to print.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, posix, sep } from 'node:path';
import { parseSync } from 'oxc-parser';
import { allowed, isSharedByAdapters, isTest, kindOf, mayImportIndex, mayUseShared, portOf } from './structure-map.ts';

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

const FILE_LINES = 400;
const FUNCTION_LINES = 60;
const environmentReaders: ReadonlySet<string> = new Set(['src/config/load.ts', 'src/main.ts', 'src/index.ts']);
const fileName = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*\.(ts|tsx|mts|mjs)$/;
const forbiddenWords: ReadonlyMap<string, string> = new Map([
  ['manager', 'name what it does to what'],
  ['helper', 'name what it does'],
  ['helpers', 'name what it does'],
  ['util', 'name what it does'],
  ['utils', 'name what it does'],
  ['service', 'say server, or what it is'],
  ['services', 'say servers, or what they are'],
]);

/** Findings of one file. `path` is relative to the root, with `/`. */
export function checkFile(file: SourceFile): readonly Finding[] {
  const { path, text } = file;
  const lineAt = lineCounter(text);
  const findings: Finding[] = [];
  const report = (offset: number, message: string) => findings.push({ path, line: lineAt(offset), message });

  const parsed = parseSync(basename(path), text);
  if (parsed.errors.length > 0) report(0, `can't be parsed: ${parsed.errors[0]?.message}`);
  if (!fileName.test(basename(path))) report(0, 'file names are kebab-case: rename it');
  const lines = text.trimEnd().split('\n').length;
  if (lines > FILE_LINES) report(0, `${lines} lines, at most ${FILE_LINES}: split it by what changes together`);
  if (path.startsWith('src/') && kindOf(path) === undefined) {
    report(0, "this folder isn't on the map (DESIGN 3): move the file to the room it belongs to");
  }
  const word = isCompatible(path) ? undefined : forbiddenWord(basename(path).split('.')[0] ?? '');
  if (word !== undefined) report(0, `file named "${word}": ${forbiddenWords.get(word) ?? 'use our words'}`);
  walk(parsed.program, (node) => {
    const specifier = importedBy(node);
    if (specifier !== undefined) {
      const complaint = checkImport(path, specifier, node.importKind === 'type');
      if (complaint !== undefined) report(node.start, complaint);
    }
    for (const message of checkNode(node, path, lineAt)) report(node.start, message);
  });
  return findings;
}

/** What is wrong with `path` importing `specifier`, or undefined. */
export function checkImport(path: string, specifier: string, typeOnly = false): string | undefined {
  if (specifier.startsWith('../') || specifier.includes('/../')) {
    return `"${specifier}" climbs out of its folder: write #folder/file.ts`;
  }
  if (path.startsWith('portal/')) {
    const allowedType = specifier === '#admin/contract.ts' && typeOnly;
    const ours = specifier.startsWith('#') || specifier.includes('/src/');
    const isRefused = ours && !allowedType && !specifier.startsWith('#portal/');
    return isRefused ? 'the portal imports only types, and only from #admin/contract.ts' : undefined;
  }
  const target = targetOf(path, specifier);
  if (target === undefined) return undefined;
  if (!/\.(ts|tsx|mjs|js|json|css)$/.test(target)) return `"${specifier}" lacks its extension: write .ts`;
  if (!path.startsWith('src/') || isTest(path)) return undefined;
  if (!target.startsWith('src/')) return `"${specifier}": only tests may import from ${target.split('/')[0]}/`;
  if (isTest(target)) return `"${specifier}" is a test: move what is shared out of it`;
  return checkLayer(path, target);
}

function checkLayer(path: string, target: string): string | undefined {
  const from = kindOf(path);
  const to = kindOf(target);
  if (from === undefined || to === undefined) return undefined;
  if (to === 'index') {
    if (from === 'index' && portOf(path) === portOf(target)) return undefined;
    return mayImportIndex(path)
      ? undefined
      : 'only the composition root (src/app.ts, src/app/) and src/config/schema.ts import an adapter index';
  }
  if (to === 'adapter' || (from === 'adapter' && to === 'port')) {
    const own = portOf(path) === portOf(target) || (mayUseShared(from) && isSharedByAdapters(target));
    return own ? undefined : `an adapter is reached through its index, from its own folder: ${target} isn't this one's`;
  }
  if (from === to || (from === 'index' && to === 'port') || allowed[from].includes(to)) return undefined;
  const list = allowed[from].filter((kind) => kind !== 'index').join(', ') || 'nothing';
  return `${from} may import ${list}, not ${to} (${target}): take it as a dependency, or move what is shared down`;
}

/** Path of a file of ours that the specifier means, or undefined for a package. */
function targetOf(path: string, specifier: string): string | undefined {
  if (specifier.startsWith('./')) return posix.join(dirname(path).split(sep).join('/'), specifier);
  if (specifier.startsWith('#kit/')) return `test/kit/${specifier.slice(5)}`;
  if (specifier.startsWith('#scripts/')) return `scripts/${specifier.slice(9)}`;
  return specifier.startsWith('#') ? `src/${specifier.slice(1)}` : undefined;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

function walk(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) {
    for (const each of node) walk(each, visit);
  } else if (isNode(node)) {
    visit(node);
    for (const value of Object.values(node)) if (typeof value === 'object') walk(value, visit);
  }
}

function importedBy(node: Node): string | undefined {
  if (!/^(Import|ExportNamed|ExportAll)(Declaration|Expression)$|^TSImportType$/.test(node.type)) return undefined;
  const source = node.source ?? node.argument;
  return isNode(source) && typeof source.value === 'string' ? source.value : undefined;
}

function checkNode(node: Node, path: string, lineAt: (offset: number) => number): readonly string[] {
  const messages: string[] = [];
  if (node.type === 'TSEnumDeclaration') messages.push('no enums: use a union of literals');
  if (isFunction(node) && !isTest(path)) {
    const lines = ownLines(node, lineAt);
    if (lines > FUNCTION_LINES) messages.push(`function of ${lines} lines, at most ${FUNCTION_LINES}: take steps out`);
  }
  if (readsEnvironment(node) && /^src\//.test(path) && !isTest(path) && !environmentReaders.has(path)) {
    messages.push(
      'process.env is read in src/config/load.ts and handed over in src/main.ts and src/index.ts only: take the value as a dependency',
    );
  }
  const name = declaredName(node);
  const word = name === undefined || isCompatible(path) ? undefined : forbiddenWord(name);
  if (word !== undefined) messages.push(`"${name}" says "${word}": ${forbiddenWords.get(word) ?? 'say org_id, orgId'}`);
  return messages;
}

const isFunction = (node: Node): boolean =>
  /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);

/** Lines of a function without those of functions inside it, which are judged for themselves. */
function ownLines(node: Node, lineAt: (offset: number) => number): number {
  let inner = 0;
  const subtract = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) subtract(each);
    else if (isNode(value) && isFunction(value)) inner += lineAt(value.end) - lineAt(value.start);
    else if (isNode(value)) subtract(Object.values(value));
  };
  subtract(Object.values(node));
  return lineAt(node.end) - lineAt(node.start) + 1 - inner;
}

function readsEnvironment(node: Node): boolean {
  if (node.type !== 'MemberExpression') return false;
  const { object, property } = node;
  return isNode(object) && object.name === 'process' && isNode(property) && property.name === 'env';
}

/** The name that this node brings into the world; names of others' libraries are merely used. */
function declaredName(node: Node): string | undefined {
  const key = /^(TSPropertySignature|TSMethodSignature|PropertyDefinition|MethodDefinition)$/.test(node.type);
  const declared = /^(VariableDeclarator|(Function|Class|TSInterface|TSTypeAlias)Declaration)$/.test(node.type);
  const named = key ? node.key : declared ? node.id : undefined;
  return isNode(named) && typeof named.name === 'string' ? named.name : undefined;
}

function forbiddenWord(name: string): string | undefined {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_-]/);
  // A person who is none is called that everywhere.
  const ours = words.filter((word, index) => word !== 'service' || !/^accounts?$/.test(words[index + 1] ?? ''));
  if (words.some((word, index) => word === 'tenant' && words[index + 1] === 'id')) return 'tenant_id';
  return ours.find((word) => forbiddenWords.has(word));
}

/** Others' words may stand where others' interfaces are spoken. */
function isCompatible(path: string): boolean {
  return /(^|[/.-])(compat|compatibility|legacy|import|imports|webhooks?)([/.-]|$)/.test(path) || isTest(path);
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Findings of the whole tree, and how many files were read. */
export function checkTree(root: string): { readonly files: number; readonly findings: readonly Finding[] } {
  const paths = globSync(['{src,test,bench,scripts,examples}/**/*.{ts,mts}', 'portal/{src,test}/**/*.{ts,tsx}'], {
    cwd: root,
    exclude: ['**/node_modules/**', '**/dist/**'],
  });
  const findings = paths.sort().flatMap((found) => {
    const path = found.split(sep).join('/');
    return checkFile({ path, text: readFileSync(join(root, found), 'utf8') });
  });
  return { files: paths.length, findings };
}

if (import.meta.main) {
  const { files, findings } = checkTree(join(import.meta.dirname, '..'));
  for (const { path, line, message } of findings) process.stdout.write(`${path}:${line}  ${message}\n`);
  process.stdout.write(`${files} files, ${findings.length} findings\n`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
