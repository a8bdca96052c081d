/** Every page of the portal that somebody comes to, with its tabs and forms, and what is wrong with each. */
import { type Look, lookName, type PortalInBrowser, settled, type Visitor } from './portal-browser.ts';

export interface Crawled {
  /** Addresses without their queries, in the order of the navigation. */
  readonly navigation: readonly string[];
  readonly visited: string[];
  /** One line each: where and what. */
  readonly problems: string[];
}

interface CrawlOptions {
  readonly who: string;
  readonly start: string;
  readonly looks: readonly Look[];
  /** Pages side by side. */
  readonly visitors: number;
}

const opens = /^(new|add|create|invite|make|set|connect|ask|request|give|import|grant)\b/i;
const atMostForms = 4;
const button = 'main button:visible:enabled';

export async function crawl(t: PortalInBrowser, options: CrawlOptions): Promise<Crawled> {
  const first = await t.visitor(options.who);
  await first.visit(options.start);
  const navigation = await linksIn(first, 'nav');
  const found: Crawled = { navigation, visited: [], problems: [...first.complaints] };
  await first.close();
  const waiting = [...navigation];
  const known = new Set(navigation.map((path) => patternOf(path, navigation)));
  const work = async () => {
    const visitor = await t.visitor(options.who);
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const linked = await look(visitor, { path, found, options }).catch((thrown: unknown) => {
        found.problems.push(`${path}: ${String(thrown).slice(0, 400)}`);
        return [];
      });
      found.problems.push(...visitor.complaints.splice(0));
      for (const each of linked) {
        const pattern = patternOf(each, navigation);
        if (known.has(pattern)) continue;
        known.add(pattern);
        waiting.push(each);
      }
    }
    await visitor.close();
  };
  await Promise.all(Array.from({ length: options.visitors }, work));
  return found;
}

/** `/admin/o/acme/servers/wiki` → `/admin/o/acme/servers/*`: one page of each kind. */
function patternOf(path: string, navigation: readonly string[]): string {
  const parent = navigation.filter((each) => path.startsWith(`${each}/`)).sort((a, b) => b.length - a.length)[0];
  if (parent === undefined) return path;
  return `${parent}/${path
    .slice(parent.length + 1)
    .split('/')
    .map((part, i) => (i % 2 === 0 ? '*' : part))
    .join('/')}`;
}

/** Of the part of the portal that the page is in. */
async function linksIn(visitor: Visitor, within: string): Promise<readonly string[]> {
  const here = new URL(visitor.page.url()).pathname.split('/')[1] ?? '';
  const all = await visitor.page
    .locator(`${within} a[href^="/${here}/"]:not([download])`)
    .evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''));
  return [...new Set(all.map((href) => href.split(/[?#]/)[0] ?? ''))].filter((path) => !path.includes('/api/'));
}

interface Visit {
  readonly path: string;
  readonly found: Crawled;
  readonly options: CrawlOptions;
}

/** What it links to. */
async function look(visitor: Visitor, visit: Visit): Promise<readonly string[]> {
  const { path, found, options } = visit;
  const { page } = visitor;
  const [desk] = options.looks;
  if (desk) await visitor.show(desk);
  await visitor.visit(path);
  found.visited.push(path);
  const headings = await page.locator('h1').allTextContents();
  const title = await page.title();
  if (headings.length !== 1 || headings[0]?.trim() === '') found.problems.push(`${path}: h1: ${headings.join(' | ')}`);
  if (!/\S · Gatehouse$/.test(title)) found.problems.push(`${path}: title: ${title}`);
  if (/nothing at this address|could not be shown/i.test((await page.locator('main').textContent()) ?? ''))
    found.problems.push(`${path}: shows an error`);
  for (const each of options.looks) await judge(visitor, visit, { look: each, name: nameOf(path) });
  if (desk) await visitor.show(desk);
  const linked = [...(await linksIn(visitor, 'main'))];
  await lookAtTabs(visitor, visit);
  await lookAtForms(visitor, visit);
  const row = page.locator('main .row-link').first();
  if ((await row.count()) > 0) {
    await row.click();
    await settled(page);
    linked.push(new URL(page.url()).pathname);
  }
  return linked;
}

interface Seen {
  readonly look: Look;
  readonly name: string;
}

async function judge(visitor: Visitor, { path, found }: Visit, { look: each, name }: Seen): Promise<void> {
  await visitor.show(each);
  const where = `${path} (${name}, ${lookName(each)})`;
  const overflow = await visitor.overflow();
  if (overflow > 0) found.problems.push(`${where}: wider than the screen by ${overflow}px`);
  found.problems.push(...(await visitor.axe()).map((line) => `${where}: axe: ${line}`));
  await visitor.picture(`${name}-${lookName(each)}`);
}

async function lookAtTabs(visitor: Visitor, visit: Visit): Promise<void> {
  const tabs = visitor.page.locator('main [role=tab][aria-selected=false]');
  const names = await tabs.allInnerTexts();
  for (const tab of names) {
    await visitor.page.getByRole('tab', { name: tab, exact: true }).first().click();
    await settled(visitor.page);
    for (const each of narrowAndWide(visit.options.looks))
      await judge(visitor, visit, { look: each, name: nameOf(visit.path, tab) });
  }
}

/** The drawers and dialogs that the page's own buttons open. */
async function lookAtForms(visitor: Visitor, visit: Visit): Promise<void> {
  const { page } = visitor;
  await visitor.visit(visit.path);
  const buttons = (await page.locator(button).allInnerTexts()).filter((text) => opens.test(text.trim()));
  for (const text of [...new Set(buttons.map((each) => each.trim()))].slice(0, atMostForms)) {
    await page
      .locator(button)
      .filter({ hasText: new RegExp(`^\\s*${text.replace(/[^\w ]/g, '.')}\\s*$`) })
      .first()
      .click();
    const dialog = page.getByRole('dialog');
    const isOpen = await dialog.waitFor({ timeout: 3000 }).then(
      () => true,
      () => false,
    );
    if (isOpen)
      for (const each of narrowAndWide(visit.options.looks))
        await judge(visitor, visit, { look: each, name: nameOf(visit.path, text) });
    await visitor.visit(visit.path);
  }
}

/** A desk in one colour, a phone in the other. */
const narrowAndWide = (looks: readonly Look[]) => looks.filter(({ width, dark }) => (width < 600 ? dark : !dark));

const nameOf = (...parts: readonly string[]): string =>
  parts
    .join('-')
    .replace(/\/o\/[^/]+/, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase()
    .slice(0, 80);
