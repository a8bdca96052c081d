/** Every form of the portal, filled in and sent by somebody who may: what comes of it is asked of the API. */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { openPortalInBrowser, type PortalInBrowser, settled, type Visitor } from '#kit/portal-browser.ts';
import { type FilledPortal, fillPortal, tell } from '#kit/portal-data.ts';

const suite = `forms in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;
const slow = { timeout: 90_000 };
const acme = '/organizations/acme';

interface Form {
  readonly who: 'root' | 'ada' | 'bob';
  readonly at: string;
  /** On the button that opens it; undefined: it is on the page. */
  readonly opens?: string;
  /** By label. */
  readonly fill: Readonly<Record<string, string>>;
  /** More than text in boxes. */
  readonly also?: (form: Locator, page: Page) => Promise<void>;
  readonly sends: string;
  /** A secret is shown once, under this name. */
  readonly shows?: string;
  /** Asked afterwards, as the same person. */
  readonly ask: string;
  readonly finds: unknown;
}

const choose = async (page: Page, box: Locator, option: string | RegExp) => {
  await box.click();
  await page.getByRole('option', { name: option }).first().click();
};
const item = (fields: object) => ({ items: expect.arrayContaining([expect.objectContaining(fields)]) });

const forms: Readonly<Record<string, Form>> = {
  invite: {
    ...{ who: 'ada', at: '/admin/o/acme/people', opens: 'Invite', sends: 'Invite 2 people' },
    fill: { 'E-mail addresses': 'one@example.com, two@example.com' },
    ask: `GET ${acme}/members?state=invited`,
    finds: item({ email: 'two@example.com' }),
  },
  'a service account': {
    ...{ who: 'ada', at: '/admin/o/acme/people?tab=programs', opens: 'New service account', sends: 'Make it' },
    fill: { Name: 'night-watch' },
    ask: `GET ${acme}/service-accounts`,
    finds: item({ name: 'night-watch' }),
  },
  'an address of a group': {
    ...{ who: 'ada', at: '/admin/o/acme/routing', opens: 'Add an address', sends: 'Check and save' },
    fill: {},
    async also(form, page) {
      await choose(page, form.getByRole('combobox', { name: 'Server' }), /Wiki/);
      await choose(page, form.getByRole('combobox', { name: 'Group' }), /Tenant-Blue/);
      await form.getByLabel('Address').fill('https://127.0.0.1:9/mcp');
      await form.locator('input[type=password]').fill('canary-of-blue');
    },
    ask: `GET ${acme}/credentials?server=wiki`,
    finds: item({ group: 'Tenant-Blue', configured: true, url: 'https://127.0.0.1:9/mcp' }),
  },
  'a limit': {
    ...{ who: 'ada', at: '/admin/o/acme/settings?tab=limits', opens: 'Set a limit', sends: 'Set it' },
    fill: { Calls: '7' },
    ask: `GET ${acme}/limits`,
    finds: item({ points: 7 }),
  },
  'a program': {
    ...{ who: 'ada', at: '/admin/o/acme/programs', opens: 'New program', sends: 'Make it', shows: 'client secret' },
    fill: { Name: 'backend' },
    ask: `GET ${acme}/clients`,
    finds: item({ name: 'backend' }),
  },
  'an account': {
    ...{ who: 'root', at: '/admin/accounts', opens: 'New account', sends: 'Make it', shows: 'password' },
    fill: { 'Signs in as': 'zoe', Name: 'Zoe', 'E-mail': 'zoe@example.com' },
    ask: 'GET /accounts?search=zoe',
    finds: item({ username: 'zoe', name: 'Zoe' }),
  },
  'an organization': {
    ...{ who: 'root', at: '/admin/organizations', opens: 'New organization', sends: 'Make it' },
    fill: { Name: 'Globex Corporation', 'Short name': 'globex' },
    ask: 'GET /organizations?search=globex',
    finds: item({ slug: 'globex', name: 'Globex Corporation' }),
  },
  'a collection': {
    ...{ who: 'ada', at: '/admin/o/acme/collections', opens: 'New collection', sends: 'Publish it' },
    fill: { Name: 'handbook' },
    async also(form, page) {
      await choose(page, form.getByLabel('Servers'), /wiki/i);
      await page.keyboard.press('Escape');
    },
    ask: `GET ${acme}/collections/handbook`,
    finds: { name: 'handbook', bindings: [expect.objectContaining({ server: 'wiki' })] },
  },
  'a notification': {
    ...{ who: 'ada', at: '/admin/o/acme/notifications', opens: 'New notification', sends: 'Make it' },
    fill: { Name: 'on call', URL: 'https://127.0.0.1:9/x' },
    shows: 'signing secret',
    ask: `GET ${acme}/notifications`,
    finds: item({ name: 'on call' }),
  },
  'a key of one’s own': {
    ...{ who: 'bob', at: '/me/o/acme/keys', opens: 'New key', sends: 'Make it', shows: 'API key' },
    fill: { 'What it is for': 'my script' },
    ask: `GET ${acme}/me/keys`,
    finds: item({ name: 'my script' }),
  },
  'a request for access': {
    ...{ who: 'bob', at: '/me/o/acme/access', opens: 'Ask', sends: 'Ask' },
    fill: { 'What you need it for': 'to pay what we owe' },
    ask: `GET ${acme}/me/access-requests`,
    finds: item({ reason: 'to pay what we owe', state: 'open' }),
  },
  'a server at an address': {
    ...{ who: 'ada', at: '/admin/o/acme/servers/add', sends: 'Save and enable' },
    fill: {},
    async also(form, page) {
      await form.getByLabel('Paste anything').fill('https://tickets.example.com/mcp');
      await form.getByLabel('Short name').fill('tickets');
      await page.getByLabel('Title', { exact: true }).fill('Tickets');
    },
    ask: `GET ${acme}/servers/tickets`,
    finds: { server: 'tickets' },
  },
  'a policy': {
    ...{ who: 'ada', at: '/admin/o/acme/new-policy', sends: 'Make it', fill: { Name: 'readers' } },
    ask: `GET ${acme}/policies/readers`,
    finds: { name: 'readers', mode: 'log' },
  },
  'the organization’s name': {
    ...{ who: 'root', at: '/admin/o/acme/settings', sends: 'Save', fill: { Name: 'Acme Works' } },
    ask: 'GET /organizations?search=acme',
    finds: item({ name: 'Acme Works' }),
  },
};

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  let filled: FilledPortal;
  const visitors = new Map<string, Visitor>();
  beforeAll(async () => {
    t = await openPortalInBrowser();
    filled = await fillPortal(t);
    for (const who of ['root', 'ada', 'bob']) visitors.set(who, await t.visitor(who));
  }, 240_000);
  afterAll(async () => {
    await t?.close();
    await filled?.close();
  });

  function at(who: string): Visitor {
    const visitor = visitors.get(who);
    if (!visitor) throw new Error(who);
    return visitor;
  }

  async function send({ at: path, opens, fill, also, sends, shows }: Form, { page, visit }: Visitor) {
    await visit(path);
    if (opens !== undefined)
      await page
        .locator('main button:visible')
        .filter({ hasText: new RegExp(`^\\s*${opens}\\s*$`) })
        .first()
        .click();
    const form = opens === undefined ? page.locator('main') : page.getByRole('dialog');
    for (const [label, text] of Object.entries(fill)) {
      const box = form.getByRole('textbox', { name: new RegExp(`^${label}( \\*)?$`) });
      await box.fill(text);
    }
    await also?.(form, page);
    await form.getByRole('button', { name: sends, exact: true }).click();
    if (shows === undefined) return undefined;
    const secret = (await page.getByLabel(shows, { exact: true }).textContent())?.trim() ?? '';
    await page.getByRole('button', { name: 'I have kept it' }).click();
    return secret;
  }

  test.each(Object.entries(forms))('%s', slow, async (_what, form) => {
    const visitor = at(form.who);
    visitor.complaints.length = 0;
    const secret = await send(form, visitor);
    const person = await t.enter(form.who);
    await expect
      .poll(() => tell(person, form.ask).catch(String), { timeout: 15_000 })
      .toMatchObject(form.finds as object);
    if (secret !== undefined) {
      expect(secret.length).toBeGreaterThan(8);
      await visitor.page.reload();
      await settled(visitor.page);
      expect(await visitor.page.content()).not.toContain(secret);
    }
    expect(visitor.complaints.splice(0)).toEqual([]);
  });

  test(
    'a group’s address of a server that is inside is refused with its reason, and nothing is lost',
    slow,
    async () => {
      const { page, visit, complaints } = at('ada');
      await visit('/admin/o/acme/routing');
      await page.getByRole('button', { name: 'Add an address' }).first().click();
      const form = page.getByRole('dialog');
      await choose(page, form.getByRole('combobox', { name: 'Server' }), /tracker/);
      await form.getByLabel('Address').fill('https://169.254.169.254/latest');
      await form.getByRole('button', { name: 'Check and save' }).click();
      await page.getByText('That did not work').waitFor();
      expect(await form.getByLabel('Address').inputValue()).toBe('https://169.254.169.254/latest');
      complaints.length = 0;
    },
  );

  test('a tool is called in the playground: the answer, the messages and the decision are shown', slow, async () => {
    const { page, visit, complaints } = at('bob');
    await visit('/me/o/acme/playground');
    await choose(page, page.getByRole('combobox', { name: 'Address' }), /tracker/i);
    await choose(page, page.getByRole('combobox', { name: 'Tool' }), /search_issues/);
    await page.getByLabel(/^query/).fill('late');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await page.getByText('allowed').first().waitFor();
    expect(complaints.splice(0)).toEqual([]);
    expect(filled.upstream.calls.at(-1)).toMatchObject({ arguments: { query: 'late' } });
  });

  test('the first steps of an organization: a server, then what to paste into a client', slow, async () => {
    const { page, visit, complaints } = at('root');
    await visit('/admin?organization=other');
    await page.getByRole('tab', { name: /address/i }).click();
    await page.getByLabel('Address of the MCP server').fill(filled.upstream.url);
    await page.getByLabel('Short name').fill('first');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Open the organization' }).click();
    await page.waitForURL(/o\/other\/overview/);
    const root = await t.enter('root');
    expect(await tell(root, 'GET /organizations/other/servers')).toMatchObject(item({ server: 'first' }));
    expect(complaints.splice(0)).toEqual([]);
  });

  test('the policy editor offers what there is, and marks what is wrong', slow, async () => {
    const { page, visit, complaints } = at('ada');
    await visit('/admin/o/acme/new-policy');
    const editor = page.getByRole('textbox', { name: 'Policies in Cedar' });
    await editor.click();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('permit(principal in THVGroup::"Tenant-R');
    await page.getByRole('option', { name: /THVGroup::"Tenant-Red"/ }).click();
    await expect.poll(() => editor.textContent()).toContain('THVGroup::"Tenant-Red")');
    await page.keyboard.type(', action, resource);');
    await page.getByText('It can be saved').waitFor();
    expect(await editor.textContent()).toContain('permit(principal in THVGroup::"Tenant-Red", action, resource);');
    await page.keyboard.type(' nonsense');
    await page.getByText('It cannot be saved yet').waitFor();
    // What cannot be parsed is refused, and the browser says so. Where styled text is typed over, Chromium itself tries to keep
    // its style, from no script of anybody's (0:0): the policy of the page forbids that, too.
    const usual = /policy-tests$|style-src-attr inline {2}at :0:0|: error: Applying inline style violates/;
    const others = complaints.splice(0).filter((each) => !usual.test(each));
    expect(others).toEqual([]);
  });

  test('the trail is verified, and says so', slow, async () => {
    const { page, visit, complaints } = at('ada');
    await visit('/admin/o/acme/audit');
    await page.getByRole('button', { name: 'Verify' }).click();
    await page.getByText('Yes: nothing was altered, removed or added').waitFor();
    expect(complaints.splice(0)).toEqual([]);
  });

  test('the test bench says what is decided, and by what', slow, async () => {
    const { page, visit, complaints } = at('ada');
    await visit('/admin/o/acme/test-bench?server=tracker&tool=close_issue');
    await choose(page, page.getByRole('combobox', { name: 'Who calls' }), /bob|Bob/);
    await page.getByRole('button', { name: 'What is decided?' }).click();
    await page
      .getByText(/everybody/)
      .first()
      .waitFor();
    expect(complaints.splice(0)).toEqual([]);
  });
});
