/**
 * The built portal in a real browser: people who are signed in, pages whose every complaint is kept (console, policy,
 * dialogs, requests to elsewhere), pictures of them, and axe.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { ensurePortal } from '#scripts/portal.ts';
import { launchChromium } from './chromium.ts';
import { type PortalWorld, type PortalWorldOptions, startPortalWorld } from './portal-world.ts';

const root = join(import.meta.dirname, '..', '..');
const pictures = join(root, '.cache', 'screenshots');

export interface Look {
  readonly width: number;
  readonly dark: boolean;
}
const onDesk: Look = { width: 1280, dark: false };
/** Desk and phone, light and dark. */
export const looks: readonly Look[] = [
  onDesk,
  { width: 1280, dark: true },
  { width: 390, dark: true },
  { width: 390, dark: false },
];
export const lookName = ({ width, dark }: Look): string => `${width}-${dark ? 'dark' : 'light'}`;
const heightOf = ({ width }: Look) => (width < 600 ? 844 : 800);

/** Somebody at a browser. */
export interface Visitor {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What no page may cause, with where it was: nothing else is ever asked of a test that ends. */
  readonly complaints: string[];
  /** Goes there and waits until nothing is loaded any more. */
  visit(path: string): Promise<void>;
  show(look: Look): Promise<void>;
  /** `.cache/screenshots/{name}.png`. */
  picture(name: string): Promise<void>;
  /** What axe finds, one line each; nothing of little weight. */
  axe(): Promise<readonly string[]>;
  /** Pixels by which the page is wider than the screen. */
  overflow(): Promise<number>;
  close(): Promise<void>;
}

export interface PortalInBrowser extends Omit<PortalWorld, 'close'> {
  readonly chromium: Browser;
  /** undefined: nobody is signed in. */
  visitor(username: string | undefined, look?: Look): Promise<Visitor>;
  close(): Promise<void>;
}

/** As startPortalWorld, with ivy as an auditor of acme; the portal is built once, whoever asks. */
export async function openPortalInBrowser(options: PortalWorldOptions = {}): Promise<PortalInBrowser> {
  await ensurePortal(root);
  const auditor = ['ivy', '--name', 'Ivy', '--org', 'acme', '--roles', 'auditor'];
  const [world, chromium] = await Promise.all([
    startPortalWorld({
      ...options,
      portalFolder: join(root, 'portal', 'dist'),
      people: [auditor, ...(options.people ?? [])],
      yaml: `egress: { allow: ['127.0.0.1'] }\n${options.yaml ?? ''}`,
    }),
    launchChromium(),
  ]);
  return {
    ...world,
    chromium,
    async visitor(username, look = onDesk) {
      const visitor = await openVisitor(chromium, world.url, look);
      if (username !== undefined) await signIn(world, visitor, username);
      return visitor;
    },
    async close() {
      await chromium.close();
      await world.close();
    },
  };
}

async function signIn(world: PortalWorld, { context }: Visitor, username: string): Promise<void> {
  const [name = '', value = ''] = (await world.enter(username)).cookie().split('=');
  await context.addCookies([{ name, value, url: world.url, httpOnly: true, sameSite: 'Lax' }]);
}

async function openVisitor(chromium: Browser, url: string, look: Look): Promise<Visitor> {
  const context = await chromium.newContext({
    viewport: { width: look.width, height: heightOf(look) },
    colorScheme: look.dark ? 'dark' : 'light',
    reducedMotion: 'reduce',
    acceptDownloads: true,
  });
  const complaints: string[] = [];
  await context.exposeFunction('reportViolation', (said: string) => void complaints.push(said));
  await context.addInitScript(watchPolicy);
  context.on('page', (page) => watch(page, url, complaints));
  const page = await context.newPage();
  const visitor: Visitor = {
    ...{ context, page, complaints },
    async visit(path) {
      await page.goto(path.startsWith('http') ? path : url + path);
      await settled(page);
    },
    async show(next) {
      await page.setViewportSize({ width: next.width, height: heightOf(next) });
      await page.emulateMedia({ colorScheme: next.dark ? 'dark' : 'light' });
    },
    async picture(name) {
      mkdirSync(pictures, { recursive: true });
      await page.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled' });
    },
    async axe() {
      const has = await page.evaluate<boolean>('typeof axe === "object"');
      if (!has) await page.evaluate(axe.source);
      return page.evaluate<readonly string[]>(runAxe);
    },
    async overflow() {
      const read = () =>
        page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
      // What was painted for another width moves first.
      for (let tries = 0; tries < 10 && (await read()) > 0; tries++) await page.waitForTimeout(50);
      return read();
    },
    close: () => context.close(),
  };
  return visitor;
}

/** Until the page stands: its heading is there and nothing says that it is busy. */
export async function settled(page: Page): Promise<void> {
  await page.locator('h1').first().waitFor({ timeout: 45_000 });
  const busy = page.locator('main [aria-busy=true], main [data-loading=true]').first();
  await busy.waitFor({ state: 'detached', timeout: 45_000 });
}

function watch(page: Page, url: string, complaints: string[]): void {
  const at = () => new URL(page.url(), url).pathname;
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      complaints.push(`${at()}: ${message.type()}: ${message.text()} ${message.location().url}`);
    }
  });
  page.on('pageerror', (error) => void complaints.push(`${at()}: thrown: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`${at()}: dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(`${url}/`) && !asked.startsWith('blob:') && !asked.startsWith('data:image/')) {
      complaints.push(`${at()}: asks elsewhere: ${asked.slice(0, 200)}`);
    }
  });
}

const watchPolicy = `document.addEventListener('securitypolicyviolation', (event) => {
  window.reportViolation(location.pathname + ': policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample + ' at ' + event.sourceFile + ':' + event.lineNumber + ':' + event.columnNumber);
});`;

const runAxe = `axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(
  ({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) =>
    impact + ' ' + id + ': ' + target.join(' ') + ': ' + String(failureSummary).split('\\n').slice(1).join(' ').trim())))`;
