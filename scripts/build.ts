/**
 * Builds what npm publishes: `dist/main.mjs` (the sources in one file), its assets, and `dist/package/`, a folder
 * ready for `npm publish` whose manifest has neither development nor optional dependencies.
 */
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** Carry files of their own (wasm, workers) that a bundle would lose: they stay real dependencies. */
export const externals: readonly string[] = ['@electric-sql/pglite', 'pino', 'pino-pretty', 'pg-native'];

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
  return { ...rest, files: ['bin', 'dist'], engines: { node: '>=20' }, dependencies: Object.fromEntries(needed) };
}

async function bundle(root: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts'],
    outfile: 'dist/main.mjs',
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: [...externals],
    legalComments: 'linked',
    sourcemap: 'linked',
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
  if (existsSync(portal)) cpSync(portal, join(root, 'dist', 'portal'), { recursive: true });
}

/** A migrated embedded database to start from, where the product has a maker: `makeSeed(target)`. */
async function makeSeed(root: string): Promise<void> {
  const maker = join(root, 'scripts', 'make-seed.ts');
  if (!existsSync(maker)) return;
  const { makeSeed } = await import(pathToFileURL(maker).href);
  await makeSeed(join(root, 'dist', 'seed.tar'));
}

function assemblePackage(root: string): void {
  const target = join(root, 'dist', 'package');
  const manifest: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  mkdirSync(target);
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(publishManifest(manifest), null, 2)}\n`);
  for (const path of ['bin', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    cpSync(join(root, path), join(target, path), { recursive: true });
  }
  for (const path of readdirSync(join(root, 'dist'))) {
    if (path === 'package' || path.endsWith('.map')) continue;
    cpSync(join(root, 'dist', path), join(target, 'dist', path), { recursive: true });
  }
}

export async function buildAll(root: string): Promise<void> {
  if (!existsSync(join(root, 'src', 'main.ts'))) throw new Error('src/main.ts is missing: nothing to build');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await bundle(root);
  copyAssets(root);
  await makeSeed(root);
  assemblePackage(root);
  const kilobytes = Math.round(statSync(join(root, 'dist', 'main.mjs')).size / 1024);
  process.stdout.write(`dist/main.mjs ${kilobytes} KB; publish with: npm publish dist/package\n`);
}

if (import.meta.main) await buildAll(join(import.meta.dirname, '..'));
