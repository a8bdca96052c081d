import { expect, test } from 'vitest';
import { checkFile, checkImport, checkTree } from '#scripts/check-structure.ts';

const messages = (path: string, text: string) => checkFile({ path, text }).map((finding) => finding.message);

test.each([
  ['src/core/a.ts', '#http/body.ts'],
  ['src/http/a.ts', '#db/schema.ts'],
  ['src/mcp/a.ts', '#records/snapshot.ts'],
  ['src/runner/a.ts', '#mcp/message.ts'],
  ['src/gateway/a.ts', '#oauth/verify.ts'],
  ['src/gateway/a.ts', '#config/schema.ts'],
  ['src/records/a.ts', '#gateway/pipeline.ts'],
  ['src/app.ts', '#cli/serve.ts'],
  ['src/gateway/a.ts', '#adapters/upstream/index.ts'],
  ['src/gateway/a.ts', '#adapters/upstream/http/http.ts'],
  ['src/app.ts', '#adapters/upstream/http/http.ts'],
  ['src/gateway/a.ts', '#app/version.ts'],
  ['src/adapters/upstream/http/http.ts', '#runner/runner.ts'],
  ['src/adapters/upstream/http/http.ts', '#adapters/identity/identity.ts'],
  ['src/core/a.ts', '#kit/listen.ts'],
  ['src/core/a.ts', './clock'],
  ['src/core/a.ts', '../http/body.ts'],
  ['src/core/a.ts', './b.test.ts'],
  ['test/house/a.test.ts', '../kit/listen.ts'],
  ['portal/src/app.tsx', '#core/error.ts'],
])('%s may not import %s', (path, specifier) => {
  expect(checkImport(path, specifier)).toBeTypeOf('string');
});

test.each([
  ['src/main.ts', '#cli/program.ts'],
  ['src/cli/serve.ts', '#app.ts'],
  ['src/app.ts', '#config/schema.ts'],
  ['src/app.ts', '#adapters/upstream/index.ts'],
  ['src/app/storage.ts', '#adapters/database/index.ts'],
  ['src/app.ts', '#adapters/identity/identities.ts'],
  ['src/index.ts', '#app.ts'],
  ['src/config/schema.ts', '#adapters/identity/index.ts'],
  ['src/gateway/a.ts', '#adapters/upstream/upstream.ts'],
  ['src/gateway/a.ts', '#core/error.ts'],
  ['src/adapters/upstream/index.ts', './http/http.ts'],
  ['src/adapters/upstream/http/http.ts', '#adapters/upstream/upstream.ts'],
  ['src/adapters/upstream/http/http.ts', '#mcp/message.ts'],
  ['src/gateway/a.test.ts', '#kit/listen.ts'],
  ['src/core/a.ts', 'node:crypto'],
  ['src/core/a.ts', './clock.ts'],
])('%s may import %s', (path, specifier) => {
  expect(checkImport(path, specifier)).toBeUndefined();
});

test('the portal imports types of the admin contract, not its values', () => {
  expect(checkImport('portal/src/a.ts', '#admin/contract.ts', true)).toBeUndefined();
  expect(checkImport('portal/src/a.ts', '#admin/contract.ts')).toContain('types');
});

test('imports in comments and strings are no imports, dynamic and type imports are', () => {
  const found = messages(
    'src/core/a.ts',
    `// import '../x.ts'\nconst s = "from '../x.ts'";\nawait import('../y.ts');\ntype Z = import('../z.ts').Z;\n`,
  );
  expect(found).toHaveLength(2);
});

test('a finding names file and line', () => {
  const [finding] = checkFile({ path: 'src/core/a.ts', text: `const x = 1;\n\nimport { y } from '../y.ts';\n` });
  expect(finding).toMatchObject({ path: 'src/core/a.ts', line: 3 });
});

test('process.env is read by config/load.ts and by tests only', () => {
  const text = 'export const a = process.env.A;\n';
  expect(messages('src/http/a.ts', text)).toHaveLength(1);
  expect(messages('src/config/load.ts', text)).toEqual([]);
  expect(messages('src/http/a.test.ts', text)).toEqual([]);
});

test('words that say nothing are refused where a name is declared, not where it is used', () => {
  expect(messages('src/core/a.ts', 'interface A { readonly tenantId: string }\n')).toHaveLength(1);
  expect(messages('src/core/a.ts', 'export class SessionManager {}\n')).toHaveLength(1);
  expect(messages('src/core/utils.ts', '')).toHaveLength(1);
  expect(messages('src/core/a.ts', 'export const x = library.serviceManager.utils();\n')).toEqual([]);
  expect(messages('src/records/legacy/a.ts', 'interface Row { readonly tenant_id: string }\n')).toEqual([]);
});

test('sizes, enums, file names and folders off the map are refused', () => {
  expect(messages('src/core/a.ts', 'x();\n'.repeat(401))).toHaveLength(1);
  expect(messages('src/core/a.ts', `export function a() {\n${'x();\n'.repeat(60)}}\n`)).toHaveLength(1);
  expect(messages('src/core/a.ts', 'export enum A { B }\n')).toHaveLength(1);
  expect(messages('src/core/someFile.ts', '')).toHaveLength(1);
  expect(messages('src/stuff/a.ts', '')).toHaveLength(1);
});

test('functions inside a function are judged for themselves', () => {
  const inner = (name: string) => `function ${name}() {\n${'x();\n'.repeat(40)}}\n`;
  expect(messages('src/core/a.ts', `export function outer() {\n${inner('a')}${inner('b')}}\n`)).toEqual([]);
});

test('the house itself keeps its rules', () => {
  const { files, findings } = checkTree(process.cwd());
  expect(findings).toEqual([]);
  expect(files).toBeGreaterThan(20);
});
