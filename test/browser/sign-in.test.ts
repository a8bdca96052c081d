/** Signing in with a real browser, without JavaScript, as a person would: what is seen, and what a browser then does. */
import { createServer } from 'node:http';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium, newProfile, whySkipped } from '#kit/chromium.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import type { TestClient } from '#kit/oauth.ts';
import { openSignInWorld, password, type SignInWorld } from '#kit/sign-in-world.ts';

const suite = chromiumPath === undefined ? `signing in with Chromium (${whySkipped})` : 'signing in with Chromium';

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: SignInWorld;
  let browser: Browser;
  /** Where clients are answered: on another origin, and from there on to a third, as applications do. */
  let application: Listening;
  let redirectUri = '';
  let client: TestClient;
  const profiles: BrowserContext[] = [];

  beforeAll(async () => {
    [t, browser] = await Promise.all([openSignInWorld(), launchChromium()]);
    const server = createServer((req, res) => {
      const onward = req.url?.startsWith('/callback') === true;
      const third = `http://localhost:${application.port}/done${new URL(req.url ?? '/', 'http://x').search}`;
      if (onward) res.writeHead(302, { location: third }).end();
      else res.writeHead(200, { 'content-type': 'text/html' }).end('<title>Application</title>You are back');
    });
    application = await listenOnLoopback(server);
    redirectUri = `http://127.0.0.1:${application.port}/callback`;
    client = await t.register({ client_name: 'Notes', redirect_uris: [redirectUri], application_type: 'native' });
  });
  afterAll(async () => {
    await Promise.all(profiles.map((profile) => profile.close()));
    await browser?.close();
    await application?.close();
    await t?.close();
  });

  async function profile(options?: Parameters<typeof newProfile>[1]): Promise<BrowserContext> {
    const made = await newProfile(browser, options);
    profiles.push(made);
    return made;
  }

  async function consentPage(context?: BrowserContext, asked = client): Promise<Page> {
    const page = await (context ?? (await profile())).newPage();
    await page.goto(t.ask(asked, { redirectUri: asked.redirectUri }));
    return page;
  }

  const isBack = (page: Page) => page.waitForURL(/\/done\?/, { timeout: 10_000 });
  const answer = (page: Page) => new URL(page.url()).searchParams;

  test('allowing leads through the identity provider to the application and wherever it goes on [X1.2]', async () => {
    const page = await consentPage();
    expect(await page.getByRole('heading').textContent()).toBe('Notes asks for access');
    expect(await page.getByText('A program on this computer.').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Continue with Corp SSO' }).click();
    await isBack(page);
    expect(answer(page).get('code')).toMatch(/\S+/);
  });

  test('a password works by keyboard alone', async () => {
    const page = await consentPage();
    await page.getByLabel('Username', { exact: true }).focus();
    await page.keyboard.type('ada');
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await isBack(page);
    expect(answer(page).get('code')).toMatch(/\S+/);
  });

  test('denying tells the application', async () => {
    const page = await consentPage();
    await page.getByRole('button', { name: 'Deny' }).click();
    await isBack(page);
    expect(Object.fromEntries(answer(page))).toMatchObject({ error: 'access_denied', iss: t.issuer });
  });

  test('who is signed in is named, and allows with one click; the way back shows a page that says it is over', async () => {
    const context = await profile();
    const first = await consentPage(context);
    await first.getByRole('button', { name: 'Continue with Corp SSO' }).click();
    await isBack(first);
    const page = await consentPage(context);
    expect(await page.getByText('grace@corp.example').isVisible()).toBe(true);
    const consent = page.url();
    await page.getByRole('button', { name: 'Allow' }).click();
    await isBack(page);
    await page.goto(consent);
    expect(await page.getByRole('heading').textContent()).toBe('This sign-in is over');
    await page.goBack();
    expect(page.url()).toMatch(/\/done\?/);
  });

  test('two tabs both come back', async () => {
    const context = await profile();
    const tabs = [await consentPage(context), await consentPage(context)];
    for (const tab of tabs) {
      await tab.getByRole('button', { name: 'Continue with Corp SSO' }).click();
      await isBack(tab);
      expect(answer(tab).get('code')).toMatch(/\S+/);
    }
  });

  test("a link to another person's half of a sign-in is refused [A2] [A19]", async () => {
    const attacker = await consentPage();
    const stopped = new Promise<string>((resolve) => {
      void attacker.route(`${t.fake.url}/authorize?**`, (route) => {
        resolve(route.request().url());
        return route.abort();
      });
    });
    await attacker.getByRole('button', { name: 'Continue with Corp SSO' }).click();
    const victim = await (await profile()).newPage();
    const response = await victim.goto((await t.fake.visit(await stopped)).href);
    expect(response?.status()).toBe(400);
    expect(await victim.getByRole('heading').textContent()).toBe('This sign-in was not started here');
    expect((await victim.context().cookies()).filter(({ name }) => name === 'gw_as')).toEqual([]);
  });

  test('another site cannot send the form [A19] [S1.39]', async () => {
    const context = await profile({ javaScript: true });
    const consent = await consentPage(context);
    const csrf = await consent.locator('input[name=csrf]').first().getAttribute('value');
    const evil = await context.newPage();
    await evil.route('https://evil.example/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<form method="post" action="${consent.url()}"><input name="csrf" value="${csrf}"><input name="do" value="deny"></form><script>document.forms[0].submit()</script>`,
      }),
    );
    await evil.goto('https://evil.example/', { waitUntil: 'commit' });
    await evil.waitForURL(/\/interaction\//);
    expect(await evil.getByRole('heading').textContent()).toBe('This form was not sent from our page');
  });

  test('cannot be shown in a frame [A18]', async () => {
    const context = await profile({ javaScript: true });
    const page = await context.newPage();
    await page.route('https://evil.example/', (route) =>
      route.fulfill({ contentType: 'text/html', body: `<iframe src="${t.issuer}/device"></iframe>` }),
    );
    await page.goto('https://evil.example/');
    // Chromium's own page of refusal is there instead.
    expect(await page.frames()[1]?.getByText('Connect a device').count()).toBe(0);
  });

  test('what a client calls itself runs nothing [A17]', async () => {
    const context = await profile({ javaScript: true });
    const alerts: string[] = [];
    context.on('dialog', (dialog) => {
      alerts.push(dialog.message());
      void dialog.dismiss();
    });
    for (const client_name of ['<img src=x onerror=alert(1)>', '"><script>alert(2)</script>', '\u202eevil\u2066']) {
      const page = await consentPage(context, await t.register({ client_name }));
      expect(await page.locator('img, script').count()).toBe(0);
      expect(await page.getByRole('heading').textContent()).not.toMatch(/[\u202e\u2066]/);
    }
    expect(alerts).toEqual([]);
  });

  test('an app with an address of its own is offered by a page that stays readable', async () => {
    const app = await t.register({ redirect_uris: ['com.example.notes:/callback'], application_type: 'native' });
    const page = await consentPage(undefined, app);
    expect(await page.getByText('An app on this device.').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.getByRole('heading', { name: 'One moment' }).waitFor();
    expect(await page.getByRole('link', { name: 'Continue' }).isVisible()).toBe(true);
  });
});
