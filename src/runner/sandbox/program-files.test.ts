import { chmodSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgramFiles } from './program-files.ts';

function folder(files: Readonly<Record<string, string>>): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'program-')));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
    chmodSync(join(root, name), 0o755);
  }
  return root;
}
const places = (secret: readonly string[] = []) => ({ path: '/usr/bin:/bin', secret });

test('a script comes with its package, and the system with nothing', () => {
  const root = folder({ 'app/package.json': '{}', 'app/dist/server.js': '', 'other/secret': '' });
  const script = join(root, 'app/dist/server.js');
  expect(findProgramFiles({ command: '/bin/sh', args: [script, join(root, 'other/secret')] }, places()).paths).toEqual([
    join(root, 'app'),
  ]);
  expect(findProgramFiles({ command: 'sh', args: ['-c', 'true'] }, places()).paths).toEqual([]);
});

test('a linked program comes with the modules that it is one of', () => {
  const root = folder({
    'node_modules/files/cli.js': '#!/usr/bin/env node\n',
    'node_modules/.bin/x': '',
    'package.json': '{}',
    '.env': '',
  });
  symlinkSync('../files/cli.js', join(root, 'node_modules/.bin/files'));
  const found = findProgramFiles({ command: join(root, 'node_modules/.bin/files'), args: [] }, places());
  expect(found.paths).toEqual([join(root, 'node_modules')]);
});

test('a program in a folder that holds secrets comes alone [G5]', () => {
  const root = folder({ 'package.json': '{}', 'server.js': '', 'data/keys': '' });
  const line = { command: '/bin/sh', args: [join(root, 'server.js')] };
  expect(findProgramFiles(line, places([join(root, 'data')])).paths).toEqual([join(root, 'server.js')]);
  expect(findProgramFiles(line, places([root])).paths).toEqual([join(root, 'server.js')]);
});

test('a program of a Python environment comes with that, not with what lies beside it [G5]', () => {
  const root = folder({ 'pyvenv.cfg': '', 'bin/files': '', 'lib/python3/x.py': '', 'memory/memory.json': '{}' });
  const found = findProgramFiles({ command: join(root, 'bin/files'), args: [] }, places());
  expect(found.paths).toEqual(['bin', 'lib', 'pyvenv.cfg'].map((name) => join(root, name)));
});

test('a program that is not there is named', () => {
  expect(() => findProgramFiles({ command: 'no-such-program', args: [] }, places())).toThrow(/no-such-program/);
});
