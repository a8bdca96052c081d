import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildAll, publishManifest } from '#scripts/build.ts';
import { scriptNames } from '#scripts/run.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
let root = '';

/** A small product in the real house: the launcher, the manifest and the build are the real ones. */
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-build-'));
  for (const path of ['bin', 'package.json', 'package-lock.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    cpSync(path, join(root, path), { recursive: true });
  }
  for (const path of ['index.html', 'vite.config.ts', 'public']) {
    cpSync(join('portal', path), join(root, 'portal', path), { recursive: true });
  }
  mkdirSync(join(root, 'portal/src'));
  writeFileSync(join(root, 'portal/src/main.tsx'), `document.title = 'A small portal';`);
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'));
  mkdirSync(join(root, 'src/db'), { recursive: true });
  writeFileSync(join(root, 'src/db/one.sql'), 'select 1;');
  writeFileSync(
    join(root, 'src/main.ts'),
    `import pg from 'pg'; import { z } from 'zod';
     console.log(z.string().parse(process.argv[2]), typeof pg.Pool);`,
  );
  writeFileSync(
    join(root, 'src/index.ts'),
    `import { mkdirSync, writeFileSync } from 'node:fs';
     const seed = new URL('./seed/', import.meta.url);
     export const Configuration = { load: ({ env }: { env: Record<string, string> }) => env };
     export class Gateway {
       async start() { mkdirSync(seed, { recursive: true }); writeFileSync(new URL('a.tar', seed), 'prepared'); }
       async stop() {}
     }`,
  );
  mkdirSync(join(root, 'src/deep/down'), { recursive: true });
  writeFileSync(join(root, 'src/deep/down/counting-thread.ts'), `console.log('counted', 1 as number);`);
  await buildAll(root);
}, 60_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

test('the packed package has a working command of both names [S0.28]', () => {
  const folder = join(root, 'dist/package');
  execFileSync('npm', ['pack', '--silent', '--pack-destination', root], { cwd: folder });
  const installed = join(root, 'elsewhere');
  mkdirSync(installed);
  const tarball = join(root, `mcp-gatehouse-${manifest.version}.tgz`);
  execFileSync('tar', ['-xzf', tarball, '-C', installed]);
  const { bin } = JSON.parse(readFileSync(join(installed, 'package/package.json'), 'utf8'));
  for (const name of ['gatehouse', 'mcp-gateway']) {
    const output = execFileSync(process.execPath, [join(installed, 'package', bin[name]), 'serve'], {
      encoding: 'utf8',
    });
    expect(output).toBe('serve function\n');
  }
});

test('the portal is part of the package, built', () => {
  const page = readFileSync(join(root, 'dist/package/dist/portal/index.html'), 'utf8');
  const [, script = ''] = /src="\/mcp-admin\/(assets\/[^"]+\.js)"/.exec(page) ?? [];
  expect(readFileSync(join(root, 'dist/package/dist/portal', script), 'utf8')).toContain('A small portal');
});

test('what it is made of is listed for scanners, without what only developers need', () => {
  const bill = JSON.parse(readFileSync(join(root, 'dist/package/sbom.cdx.json'), 'utf8'));
  expect(bill).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'mcp-gatehouse' } } });
  const names = bill.components.map(({ name }: { readonly name: string }) => name);
  expect(names).toContain('fastify');
  expect(names).not.toContain('vitest');
});

test('what runs in a thread of its own is a file of its own', () => {
  const thread = join(root, 'dist/package/dist/counting-thread.mjs');
  expect(execFileSync(process.execPath, [thread], { encoding: 'utf8' })).toBe('counted 1\n');
});

test('assets lie beside the bundle', () => {
  expect(existsSync(join(root, 'dist/package/dist/db/one.sql'))).toBe(true);
});

test('the embedded database is shipped prepared, by the first start of the package itself', () => {
  expect(readFileSync(join(root, 'dist/package/dist/seed/a.tar'), 'utf8')).toBe('prepared');
  expect(readFileSync(join(root, 'dist/seed/a.tar'), 'utf8')).toBe('prepared');
});

test('the published manifest asks for what the bundle lacks and nothing else', () => {
  const published = publishManifest(manifest);
  expect(Object.keys(published)).not.toContain('devDependencies');
  expect(Object.keys(published)).not.toContain('optionalDependencies');
  expect(Object.keys(published)).not.toContain('scripts');
  expect(published.dependencies).toEqual({
    '@electric-sql/pglite': manifest.dependencies['@electric-sql/pglite'],
    pino: manifest.dependencies.pino,
    'pino-pretty': manifest.dependencies['pino-pretty'],
    turndown: manifest.dependencies.turndown,
  });
});

test('the npm scripts have the promised names [S0.29]', () => {
  const promised =
    'build dev start clean typecheck lint lint:fix format test test:watch test:coverage db:init db:create-collection';
  expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(promised.split(' ')));
  for (const [name, command] of Object.entries<string>(manifest.scripts)) {
    const script = command.split(' --run ')[1];
    if (script === undefined) continue;
    expect(script).toBe(name);
    expect(scriptNames).toContain(script);
  }
});
