/** Every page of ours as people see it: accessible in light and dark, on a phone, with nothing wider than the screen. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium, newProfile, whySkipped } from '#kit/chromium.ts';
import { openSignInWorld, type SignInWorld } from '#kit/sign-in-world.ts';

const suite = chromiumPath === undefined ? `pages in Chromium (${whySkipped})` : 'pages in Chromium';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const run = `axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, impact, help }) => ({ id, impact, help })))`;

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly help: string;
}

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: SignInWorld;
  let browser: Browser;
  beforeAll(async () => {
    [t, browser] = await Promise.all([openSignInWorld(), launchChromium()]);
  });
  afterAll(async () => {
    await browser?.close();
    await t?.close();
  });

  async function ask(page: Page, metadata: object = {}): Promise<void> {
    const client = await t.register({ client_name: 'Notes for the whole team', ...metadata });
    await page.goto(
      t.ask(client, { redirectUri: client.redirectUri, scope: 'openid profile email mcp:read mcp:write' }),
    );
  }

  async function signedIn(page: Page): Promise<void> {
    await ask(page, { redirect_uris: [`${t.fake.url}/client`], application_type: 'native' });
    await page.getByRole('button', { name: 'Continue with Corp SSO' }).click();
    await page.waitForURL(/\/client\?/);
  }

  async function device(page: Page): Promise<void> {
    const client = await t.register({
      client_name: 'Television',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
      response_types: [],
      redirect_uris: [],
    });
    const answer = await fetch(`${t.issuer}/device/authorize`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: client.id, scope: 'mcp:read' }),
    });
    const { verification_uri_complete } = (await answer.json()) as Record<string, string>;
    await page.goto(verification_uri_complete ?? '');
    await page.getByRole('button', { name: 'Continue' }).click();
  }

  const pages: Readonly<Record<string, (page: Page) => Promise<unknown>>> = {
    choices: (page) => ask(page),
    loopback: (page) => ask(page, { redirect_uris: ['http://127.0.0.1:9/callback'], application_type: 'native' }),
    'long name': (page) => ask(page, { client_name: `${'Word'.repeat(15)} and more` }),
    'wrong password': async (page) => {
      await ask(page);
      await page.getByLabel('Username', { exact: true }).fill('nobody');
      await page.getByLabel('Password', { exact: true }).fill('nothing at all');
      await page.getByRole('button', { name: 'Sign in and allow' }).click();
      await page.getByRole('alert').waitFor();
    },
    allow: async (page) => {
      await signedIn(page);
      await ask(page, { redirect_uris: ['https://second.example/cb'] });
    },
    'sign out': async (page) => {
      await signedIn(page);
      await page.goto(`${t.issuer}/session/end`);
    },
    'signed out': (page) => page.goto(`${t.issuer}/session/end/success`),
    'device code': (page) => page.goto(`${t.issuer}/device`),
    'device confirmation': device,
    'device consent': async (page) => {
      await device(page);
      await page.getByRole('button', { name: 'Yes, continue' }).click();
    },
    'one moment': async (page) => {
      await ask(page, { redirect_uris: ['com.example.notes:/callback'], application_type: 'native' });
      await page.getByRole('button', { name: 'Deny' }).click();
      await page.getByRole('heading', { name: 'One moment' }).waitFor();
    },
    error: (page) => page.goto(`${t.issuer}/error?error=invalid_state`),
    success: (page) => page.goto(`${t.issuer}/success`),
    'unknown client': (page) => page.goto(`${t.issuer}/authorize?client_id=unknown&response_type=code&state=x`),
  };

  const looks = [
    { width: 360, dark: false },
    { width: 360, dark: true },
    { width: 1000, dark: false },
    { width: 1000, dark: true },
  ];

  for (const [name, open] of Object.entries(pages)) {
    test(`${name}: nothing serious for axe, nothing cut off, in every look`, { timeout: 60_000 }, async () => {
      // The page itself needs no script: axe is one, so it is put into the page from outside.
      const context = await newProfile(browser, { javaScript: true });
      const page = await context.newPage();
      await open(page);
      expect(await page.locator('script').count()).toBe(0);
      await page.evaluate(axe);
      for (const { width, dark } of looks) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' });
        const look = `${name.replaceAll(' ', '-')}-${width}-${dark ? 'dark' : 'light'}`;
        const folder = process.env.SCREENSHOTS;
        if (folder) await page.screenshot({ path: `${folder}/${look}.png`, fullPage: true });
        const violations: readonly Violation[] = await page.evaluate(run);
        expect(
          violations.filter(({ impact }) => impact === 'serious' || impact === 'critical'),
          look,
        ).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth'), look).toBeLessThanOrEqual(width);
      }
      await context.close();
    });
  }
});
