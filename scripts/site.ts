/**
 * `npm run site`: the documents as a site in site/dist, every link of it followed. The pages are those of docs/, as they
 * stand; the tools of the site are installed in site/ when they are missing (they are no part of the product).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { base, sidebar } from '#site/sidebar.ts';

const root = join(import.meta.dirname, '..');
const site = join(root, 'site');
const content = join(site, 'src/content/docs');

export interface Page {
  /** In docs/, without its ending. */
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  /** Without its title. */
  readonly body: string;
}

/** Throws where the first line is no title. */
export function parsePage(path: string, text: string): Page {
  const [, title, rest = ''] = /^(?:<!--.*?-->\s*)?# (.+)\n([\s\S]*)$/.exec(text) ?? [];
  if (title === undefined) throw new Error(`${path} has no title`);
  const slug = posix.join(posix.dirname(path), posix.basename(path, '.md')).replace(/\/README$/, '');
  const paragraph = rest.split(/\n{2,}/).find((part) => /^[^#|`>\-!<\s]/.test(part)) ?? '';
  const description = paragraph
    .replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replace(/[`*]/g, '')
    .replace(/\s+/g, ' ');
  return { slug, title, description: description.slice(0, 300), body: rest };
}

/** Links between pages become those of the site; what is elsewhere in the repository is named only. */
export function withLinks(page: Page, isPage: (path: string) => boolean, isIndex: boolean): string {
  const from = isIndex ? page.slug : posix.dirname(page.slug);
  const links = /(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)/g;
  return page.body.replace(links, (_whole, picture: string, label: string, target: string, hash = '') => {
    const path = posix.normalize(posix.join('docs', from, target));
    const inside = posix.relative('docs', path);
    if (path.startsWith('docs/images/')) return `${picture}[${label}](${base}images/${posix.basename(path)})`;
    return isPage(inside) ? `[${label}](${base}${slugOf(inside)}/${hash})` : label;
  });
}

const slugOf = (path: string): string =>
  path
    .replace(/\.md$/, '')
    .replace(/(^|\/)README$/, '')
    .toLowerCase();

function prepare(): readonly Page[] {
  rmSync(content, { recursive: true, force: true });
  const files = globSync('{guide,reference,decisions}/**/*.md', { cwd: join(root, 'docs') }).sort();
  const isPage = (path: string) => files.includes(path) || files.includes(posix.join(path, 'README.md'));
  const pages = files.map((file) => {
    const page = parsePage(file, readFileSync(join(root, 'docs', file), 'utf8'));
    const target = join(content, file.replace(/README\.md$/, 'index.md'));
    mkdirSync(dirname(target), { recursive: true });
    const head = `---\ntitle: ${JSON.stringify(page.title)}\ndescription: ${JSON.stringify(page.description)}\n---\n`;
    writeFileSync(target, head + withLinks(page, isPage, file.endsWith('README.md')));
    return page;
  });
  writeFileSync(join(content, 'index.md'), readFileSync(join(site, 'index.md')));
  cpSync(join(root, 'docs/images'), join(site, 'public/images'), { recursive: true });
  return pages;
}

/** For assistants (llmstxt.org): what there is, and all of it. */
function writeForAssistants(pages: readonly Page[]): void {
  const lines = pages.map(
    ({ slug, title, description }) => `- [${title}](${base}${slug.toLowerCase()}/): ${description}`,
  );
  const intro = '# Gatehouse\n\n> One door to every MCP server that an organization uses.\n';
  writeFileSync(join(site, 'public/llms.txt'), `${intro}\n## Pages\n\n${lines.join('\n')}\n`);
  const whole = pages.filter(({ slug }) => !slug.startsWith('decisions/'));
  writeFileSync(
    join(site, 'public/llms-full.txt'),
    `${intro}\n${whole.map(({ title, body }) => `# ${title}\n${body}`).join('\n')}`,
  );
}

/** Pages of the site that the navigation forgets. */
export function forgotten(slugs: readonly string[]): readonly string[] {
  const known = new Set<unknown>(sidebar.flatMap(({ items }) => items));
  return slugs.filter((slug) => slug.startsWith('guide/') && !known.has(slug));
}

/** Every link of the built pages, and every place in a page that one names. */
function findDead(): readonly string[] {
  const dist = join(site, 'dist');
  const pages = new Map(
    globSync('**/*.html', { cwd: dist }).map((file) => [file, readFileSync(join(dist, file), 'utf8')]),
  );
  const dead: string[] = [];
  for (const [file, html] of pages) {
    for (const [, href = ''] of html.matchAll(/(?:href|src)="([^"]*)"/g)) {
      if (/^(?:https?:|mailto:|data:)/.test(href) || href === '') continue;
      const { pathname, hash } = new URL(
        href.replaceAll('&amp;', '&'),
        `http://site/${file.replace(/index\.html$/, '')}`,
      );
      const path = decodeURIComponent(pathname).slice(1);
      const target = path === '' || path.endsWith('/') ? `${path}index.html` : path;
      if (!existsSync(join(dist, target))) dead.push(`${file} → ${href}`);
      else if (hash.length > 1 && target.endsWith('.html') && !hasPlace(pages.get(target) ?? '', hash))
        dead.push(`${file} → ${href} (no such place)`);
    }
  }
  return [...new Set(dead)];
}

const hasPlace = (html: string, hash: string): boolean => html.includes(`id="${decodeURIComponent(hash.slice(1))}"`);

function run(): number {
  if (!existsSync(join(site, 'node_modules/astro'))) {
    process.stdout.write('Installing the tools of the site (once)\n');
    execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: site, stdio: 'inherit' });
  }
  const pages = prepare();
  const lost = forgotten(pages.map(({ slug }) => slug).filter((slug) => slug !== 'guide'));
  writeForAssistants(pages);
  const built = spawnSync(process.execPath, ['node_modules/astro/bin/astro.mjs', 'build', '--silent'], {
    cwd: site,
    stdio: 'inherit',
    env: { ...process.env, ASTRO_TELEMETRY_DISABLED: '1' },
  });
  if (built.status !== 0) return 1;
  const dead = findDead();
  for (const line of dead) process.stdout.write(`dead: ${line}\n`);
  for (const slug of lost) process.stdout.write(`in no group of site/sidebar.ts: ${slug}\n`);
  process.stdout.write(`${pages.length} pages in ${relative(root, join(site, 'dist'))}, ${dead.length} dead links\n`);
  return dead.length + lost.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = run();
