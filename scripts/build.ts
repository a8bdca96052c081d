/**
 * Builds what npm publishes: `dist/main.mjs` (the command), `dist/index.mjs` (the library), a file for each thread
 * (`src/**\/*-thread.ts`), what they share, their assets, and `dist/package/`, a folder ready for `npm publish` with
 * neither development nor optional dependencies.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ensurePortal } from './portal.ts';

/** Carry files of their own (wasm, workers) or are read by a worker: a bundle would lose them, they stay dependencies. */
export const externals: readonly string[] = ['@electric-sql/pglite', 'pino', 'pino-pretty', 'turndown', 'pg-native'];

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** The manifest that is published: what the bundle holds is no dependency any more. */
export function publishManifest(manifest: Manifest): Record<string, unknown> {
  const { devDependencies: _dev, optionalDependencies: _optional, scripts: _scripts, ...kept } = manifest;
  const { imports: _imports, dependencies, ...rest } = kept;
  const needed = Object.entries(dependencies).filter(([name]) => externals.includes(name));
  // The launcher runs on older Nodes too and fetches the right one.
  const exports = { '.': './dist/index.mjs', './package.json': './package.json' };
  return {
    ...rest,
    exports,
    files: ['bin', 'dist', 'examples', 'sbom.cdx.json'],
    engines: { node: '>=20' },
    dependencies: Object.fromEntries(needed),
  };
}

async function bundle(root: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts', 'src/index.ts', ...globSync('src/**/*-thread.ts', { cwd: root })].map((file) => ({
      ...{ in: file, out: basename(file, '.ts') },
    })),
    outdir: 'dist',
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: [...externals],
    legalComments: 'eof',
    // CommonJS packages inside an ESM bundle ask for these.
    banner: {
      js: "import { createRequire as gatehouseRequire } from 'node:module'; const require = gatehouseRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = import.meta.dirname;",
    },
    logLevel: 'warning',
  });
}

/** Files that the sources read beside themselves, by their path under src/, and the portal's build. */
function copyAssets(root: string): void {
  for (const file of globSync('src/**/*.{sql,json,html,css,svg,cedar}', { cwd: root })) {
    const target = join(root, 'dist', file.slice('src/'.length));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(root, file), target);
  }
  const portal = join(root, 'portal', 'dist');
  cpSync(portal, join(root, 'dist', 'portal'), { recursive: true });
}

function assemblePackage(root: string): void {
  const target = join(root, 'dist', 'package');
  const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  mkdirSync(target);
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(publishManifest(manifest), null, 2)}\n`);
  for (const path of ['bin', 'README.md', 'LICENSE', 'CHANGELOG.md', 'examples']) {
    if (existsSync(join(root, path))) cpSync(join(root, path), join(target, path), { recursive: true });
  }
  for (const path of readdirSync(join(root, 'dist'))) {
    if (path === 'package') continue;
    cpSync(join(root, 'dist', path), join(target, 'dist', path), { recursive: true });
  }
}

/** What the bundle is made of, for scanners (CycloneDX): every package of the lockfile that is no development's. */
function writeBillOfMaterials(root: string): void {
  const args = ['sbom', '--package-lock-only', '--omit', 'dev', '--omit', 'optional', '--sbom-format', 'cyclonedx'];
  const said = execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const bill = JSON.parse(said);
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  // npm calls it after its folder.
  Object.assign(bill.metadata.component, { name, version, purl: `pkg:npm/${name}@${version}` });
  writeFileSync(join(root, 'dist', 'package', 'sbom.cdx.json'), `${JSON.stringify(bill, null, 2)}\n`);
}

/**
 * A fresh embedded database takes seconds, a prepared one a moment: the package's own first start leaves the prepared
 * one in its `dist/seed`, and from there it is shipped.
 */
function makeSeed(root: string): void {
  const library = join(root, 'dist', 'package', 'dist', 'index.mjs');
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-seed-'));
  const env = { PORT: '0', DATA_DIR: join(folder, 'data') };
  const start = `const { Configuration, Gateway } = await import(${JSON.stringify(pathToFileURL(library).href)});
    const gateway = new Gateway(Configuration.load(${JSON.stringify({ env, cwd: folder })}));
    await gateway.start(); await gateway.stop();`;
  try {
    execFileSync(process.execPath, ['--input-type=module', '--eval', start], { cwd: folder, stdio: 'inherit' });
    cpSync(join(root, 'dist', 'package', 'dist', 'seed'), join(root, 'dist', 'seed'), { recursive: true });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function buildAll(root: string): Promise<void> {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await bundle(root);
  await ensurePortal(root);
  copyAssets(root);
  assemblePackage(root);
  writeBillOfMaterials(root);
  makeSeed(root);
  process.stdout.write('dist/ is built; publish with: npm publish ./dist/package\n');
}

if (import.meta.main) await buildAll(join(import.meta.dirname, '..'));
