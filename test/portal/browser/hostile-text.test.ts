/** Whatever somebody stores is text in the portal: nothing of it runs, loads or leaves (SECURITY H1). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { hostileTexts } from '#kit/hostile-text.ts';
import { openPortalInBrowser, type PortalInBrowser } from '#kit/portal-browser.ts';
import { crawl } from '#kit/portal-crawl.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const suite = `hostile text in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;
const acme = '/admin/api/v1/organizations/acme';

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  let sink: RecordingUpstream;
  let upstream: ToolServer;
  let texts: readonly string[];
  const refused: Record<string, number> = {};

  beforeAll(async () => {
    sink = await startRecordingUpstream();
    upstream = await startToolServer({ era: 'modern' });
    texts = hostileTexts(sink.url);
    upstream.tools = texts.flatMap((text, i) => [toolOf(`tool_${i}`, text), toolOf(text, text)]);
    const people = [['mallory', '--name', texts[12] ?? '', '--org', 'acme']];
    t = await openPortalInBrowser({ people });
    await store();
  }, 300_000);
  afterAll(async () => {
    await t?.close();
    await upstream?.close();
    await sink?.close();
  });

  const toolOf = (name: string, text: string) => ({
    ...{ name, title: text, description: text, icons: [{ src: `${sink.url}/icon.png` }] },
    inputSchema: {
      type: 'object',
      title: text,
      properties: { [text]: { type: 'string', title: text, description: text, default: text, enum: [text] } },
    },
  });

  /** Every field that takes text, with every text; what is refused at the door is counted. */
  async function store(): Promise<void> {
    const [root, mallory] = [await t.enter('root'), await t.enter('mallory')];
    const [csrf, csrfOfMallory] = [await root.csrf(), await mallory.csrf()];
    const put = async (line: string, body: object, as = root) => {
      const [method = '', path = ''] = line.split(' ');
      const headers = { 'x-csrf-token': as === root ? csrf : csrfOfMallory, 'user-agent': texts[14] };
      const { status } = await as.ask(method, path.startsWith('/admin') ? path : acme + path, { body, headers });
      if (status >= 300) refused[line.replace(/\d+/g, 'N')] = (refused[line.replace(/\d+/g, 'N')] ?? 0) + 1;
    };
    const transport = { kind: 'http', url: upstream.url };
    await put('POST /admin/api/v1/servers', { key: 'evil', title: texts[12], transport });
    await put('PUT /servers/evil/enablement', { allMembers: true });
    await put('POST /collections', {
      name: 'evil',
      allowedRoles: [...texts.slice(0, 60)],
      bindings: [{ server: 'evil' }],
    });
    for (const [i, text] of texts.entries()) {
      await Promise.all([
        put('POST /admin/api/v1/organizations', { slug: `evil-${i}`, name: text }),
        put('POST /servers', {
          key: `own-${i}`,
          title: text,
          transport: { ...transport, url: `https://mcp.example/${encodeURIComponent(text)}` },
        }),
        put('POST /groups', { name: `G-${i}`, title: text, externalId: text }),
        put('POST /keys', { name: text, roles: [text] }),
        put('POST /service-accounts', { name: text }),
        put('POST /clients', { name: text, grants: ['client_credentials'] }),
        put('POST /policies', { name: `p-${i}`, policies: `// ${text}\npermit(principal, action, resource);` }),
        put('POST /members', { email: `${i}@example.com`, roles: [text] }),
        put('POST /credentials', {
          server: 'evil',
          group: `G-${i}`,
          credential: text,
          url: `https://x.example/?${text}`,
        }),
        put('PUT /grants', { group: `G-${i}`, server: 'evil', tools: [text] }),
        put('POST /me/keys', { name: text }, mallory),
        put('POST /me/access-requests', { server: `own-${i}`, reason: text }, mallory),
        put(`POST /servers/evil/tools`, { tools: [text], blocked: true }),
        put(
          'POST /me/call',
          { endpoint: '', method: 'tools/call', params: { name: text, arguments: { [text]: text } } },
          mallory,
        ),
        fetch(`${t.url}/register`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'user-agent': text.replace(/[^\x20-\x7e]/g, '') },
          body: JSON.stringify({
            client_name: text,
            redirect_uris: ['https://client.example/cb'],
            logo_uri: `${sink.url}/logo`,
          }),
        }),
      ]);
    }
  }

  const runs = (who: string, start: string) => async () => {
    const { visited, problems } = await crawl(t, { who, start, looks: [], visitors: 2 });
    console.log(`${visited.length} pages for ${who}: ${visited.join(' ')}`);
    expect(problems).toEqual([]);
    expect(sink.requests).toEqual([]);
  };

  test('was stored, so that there is something to show', async () => {
    console.log(refused);
    const [{ n } = {}] = await t.database.sql(
      `select count(*)::int as n from gateway.groups where title like '%alert(1)%'`,
    );
    expect(n).toBeGreaterThan(40);
    const { page, visit, close } = await t.visitor('root');
    await visit('/admin/o/acme/people?tab=groups');
    await page.getByText('<img src=x onerror=alert(1)>', { exact: true }).first().waitFor();
    await close();
  });
  test('runs nowhere for an administrator [H1]', { timeout: 300_000 }, runs('root', '/admin/o/acme'));
  test('runs nowhere on the pages of everybody [H1]', { timeout: 300_000 }, runs('bob', '/me'));
  test('runs nowhere for an auditor [H1]', { timeout: 120_000 }, runs('ivy', '/admin'));

  test('would be heard of if it ran', { timeout: 120_000 }, async () => {
    const { page, visit, complaints, close } = await t.visitor('root');
    await visit('/admin');
    for (const script of [
      `document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')`,
      `{ const made = document.createElement('img'); made.src = '${sink.url}/pixel'; document.body.append(made); }`,
      `{ const made = document.createElement('div'); made.setAttribute('onclick', 'alert(1)'); document.body.append(made); made.click(); }`,
    ]) {
      complaints.length = 0;
      await page.evaluate(script).catch((thrown) => complaints.push(String(thrown)));
      await expect.poll(() => complaints.length, { timeout: 10_000 }).toBeGreaterThan(0);
    }
    expect(sink.requests).toEqual([]);
    await close();
  });
});
