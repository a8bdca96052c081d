/** A GitHub-like REST API, imported from its document and called as tools by the official clients, through the gateway. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer } from '#kit/http-client.ts';
import { type RestApi, restToken, startRestApi } from '#kit/rest-api.ts';
import { restDocument } from '#kit/rest-document.ts';

let api: RestApi;
let gateway: RunningGateway;
let folder: string;
let key: string;
const clients: { close(): Promise<void> }[] = [];
const staleToken = 'token-that-was-revoked';
const roadmap = { owner: 'acme', repo: 'roadmap' };

const yaml = (file: string) => `
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
servers:
  - { key: fromfile, openapi: { file: '${file}', tags: [issues] } }
  - { key: ruled, openapi: { file: '${file}' } }
collections:
  - organization: acme
    name: limited
    allowedRoles: '*'
    bindings:
      - server: fromfile
        credential: \${REST_TOKEN}
        tools: { arguments: { issues_list-for-repo: { owner: { fixed: acme }, per_page: { maximum: 2, default: 2 } } }, hide: [issues_delete] }
  - { organization: acme, name: found, allowedRoles: '*', mode: meta, bindings: [{ server: fromfile, credential: '\${REST_TOKEN}' }] }
  - { organization: acme, name: ruled, allowedRoles: '*', bindings: [{ server: ruled, credential: '\${REST_TOKEN}', tools: { arguments: { issues_list-for-repo: { state: { fixed: open } } } } }] }
  - { organization: acme, name: closed, allowedRoles: '*', bindings: [{ server: ruled, credential: '\${REST_TOKEN}', tools: { arguments: { issues_list-for-repo: { state: { fixed: closed } } } } }] }
  - { organization: acme, name: stale, allowedRoles: '*', bindings: [{ server: fromfile, credential: '\${STALE_TOKEN}', tools: { hide: [nothing] } }] }
  - { organization: acme, name: plain, allowedRoles: '*', bindings: [{ server: fromfile, credential: '\${STALE_TOKEN}' }] }
policies:
  - organization: acme
    name: readers
    server: ruled
    policies: |
      permit(principal, action == Action::"call_tool", resource) when { resource has readOnlyHint && resource.readOnlyHint };
      forbid(principal, action == Action::"call_tool", resource == Tool::"issues_get") when { context has arg_issue_number && context.arg_issue_number == 3 };
      forbid(principal, action == Action::"call_tool", resource == Tool::"issues_list-for-repo") when { context has arg_state && context.arg_state == "closed" };
egress: { allow: ['127.0.0.1'] }
`;

beforeAll(async () => {
  api = await startRestApi();
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-openapi-'));
  writeFileSync(join(folder, 'api.json'), JSON.stringify(restDocument(api.url)));
  gateway = await startGateway({
    configYaml: yaml(join(folder, 'api.json')),
    env: { REST_TOKEN: restToken, STALE_TOKEN: staleToken },
  });
  key = await createKey(gateway, 'acme');
}, 60_000);

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await gateway.stop();
  await api.close();
  rmSync(folder, { recursive: true });
});

async function modern(name: string) {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = { headers: bearer(key) };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/acme/mcp/${name}`), { requestInit }));
  clients.push(client);
  return client;
}

async function legacy(name: string) {
  const client = new OldClient({ name: 'test', version: '1' });
  const requestInit = { headers: bearer(key) };
  await client.connect(new OldTransport(new URL(`${gateway.url}/acme/mcp/${name}`), { requestInit }));
  clients.push(client);
  return client;
}

const admin = async (method: string, path: string, body?: object) => {
  const file = await import('node:fs/promises').then((fs) => fs.readFile(join(gateway.dataDir, 'admin.token'), 'utf8'));
  const response = await fetch(`${gateway.url}/admin/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${file.trim()}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe('an API from the configuration file', () => {
  test('is called by both official clients: structured results, refusals in-band [S3.23]', async () => {
    for (const client of [await modern('limited'), await legacy('limited')]) {
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual(['issues_create', 'issues_get', 'issues_list-for-repo']);
      const issue = await client.callTool({ name: 'issues_get', arguments: { ...roadmap, issue_number: 2 } });
      expect(issue.structuredContent).toMatchObject({ number: 2, user: { login: 'octocat' } });
      const missing = await client.callTool({ name: 'issues_get', arguments: { ...roadmap, issue_number: 999 } });
      expect(missing.isError).toBe(true);
    }
    expect(api.last().headers.authorization).toBe(`Bearer ${restToken}`);
  });

  test('enforced arguments and hidden tools hold: the caller decides on neither', async () => {
    const client = await modern('limited');
    const listed = await client.callTool({ name: 'issues_list-for-repo', arguments: { repo: 'roadmap', per_page: 2 } });
    expect(listed.structuredContent).toMatchObject({ items: [{ number: 1 }, { number: 2 }] });
    expect(api.last().url).toBe('/api/v3/repos/acme/roadmap/issues?per_page=2');
    const before = api.calls.length;
    await expect(
      client.callTool({ name: 'issues_list-for-repo', arguments: { repo: 'roadmap', per_page: 100 } }),
    ).rejects.toThrow('at most 2');
    await expect(
      client.callTool({ name: 'issues_delete', arguments: { ...roadmap, issue_number: 1 } }),
    ).rejects.toThrow();
    expect(api.calls.length).toBe(before);
  });

  test('a Cedar policy governs operations as any tool: by name, hint and argument', async () => {
    const client = await modern('ruled');
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual(['issues_get', 'issues_list-for-repo', 'rate-limit_get', 'repos_get']);
    const before = api.calls.length;
    for (const [name, more] of [
      ['issues_create', { title: 'No' }],
      ['issues_delete', { issue_number: 1 }],
      ['issues_get', { issue_number: 3 }],
    ] as const) {
      await expect(client.callTool({ name, arguments: { ...roadmap, ...more } }), name).rejects.toThrow();
    }
    expect(api.calls.length).toBe(before);
    const allowed = await client.callTool({ name: 'issues_get', arguments: { ...roadmap, issue_number: 2 } });
    expect(allowed.structuredContent).toMatchObject({ number: 2 });
  });

  test('the policy judges the enforced argument, not what the caller says', async () => {
    const name = 'issues_list-for-repo';
    const listed = await (await modern('ruled')).callTool({ name, arguments: roadmap });
    expect(listed.structuredContent).toHaveProperty('items');
    expect(api.last().url).toContain('state=open');
    const before = api.calls.length;
    const closed = await modern('closed');
    for (const more of [{}, { state: 'open' }]) {
      await expect(closed.callTool({ name, arguments: { ...roadmap, ...more } })).rejects.toThrow();
    }
    expect(api.calls.length).toBe(before);
  });

  test('a refused credential is told plainly, over every way, and never shown [F9]', async () => {
    for (const name of ['stale', 'plain']) {
      const client = await modern(name);
      const refused = client.callTool({ name: 'issues_get', arguments: { ...roadmap, issue_number: 2 } });
      const message = String(await refused.catch((thrown: unknown) => thrown)).replaceAll('\\', '');
      expect(message).toContain('The API refused the credential of the server "fromfile" ("token" (bearer))');
      expect(message).not.toContain(staleToken);
    }
    expect(gateway.output()).not.toContain(staleToken);
  });

  test('meta-tools mode finds, describes and calls operations', async () => {
    const client = await modern('found');
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('search_tools');
    const found = await client.callTool({ name: 'search_tools', arguments: { query: 'create an issue' } });
    expect(JSON.stringify(found)).toContain('issues_create');
    const made = await client.callTool({
      name: 'call_tool',
      arguments: { tool_name: 'issues_create', arguments: { ...roadmap, title: 'By meta' } },
    });
    expect(JSON.stringify(made)).toContain('By meta');
  });
});

describe('an API from the admin API and command line', () => {
  test('an organization imports one, with its own credential, and calls it', async () => {
    const made = await gateway.cli(
      ...['openapi', 'add', join(folder, 'api.json'), '--name', 'own', '--organization', 'acme', '--all-members'],
      ...['--include', 'repos/*,issues/get', '--key-env', 'REST_TOKEN'],
    );
    expect(made).toMatchObject({ server: 'own', url: `${api.url}/api/v3` });
    expect(JSON.stringify(made)).not.toContain(restToken);
    const client = await modern('own');
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['issues_get', 'repos_get']),
    );
    const repo = await client.callTool({ name: 'repos_get', arguments: roadmap });
    expect(repo.structuredContent).toMatchObject({ full_name: 'acme/roadmap' });
  });

  test('a preview stores nothing; a newer document shows its difference first', async () => {
    const document = JSON.stringify(restDocument(api.url));
    const seen = await admin('POST', '/openapi/preview', { document });
    expect(seen).toMatchObject({ status: 200, body: { title: 'Roadmap REST API', url: `${api.url}/api/v3` } });
    expect(await gateway.cli('openapi', 'list', '--organization', 'acme')).toHaveLength(1);
    const newer = restDocument(api.url, { info: { title: 'Roadmap REST API', version: '2' } });
    writeFileSync(join(folder, 'newer.json'), JSON.stringify(newer).replace('"Get a repository"', '"Get one"'));
    const update = ['openapi', 'update', 'own', join(folder, 'newer.json'), '--organization', 'acme'];
    expect(await gateway.cli(...update, '--dry-run')).toMatchObject({ added: [], removed: [], changed: ['repos_get'] });
    await gateway.cli(...update);
    const list = (await gateway.cli('openapi', 'list', '--organization', 'acme')) as {
      digest: string;
      version: string;
      servers: string[];
    }[];
    expect(list.map(({ version, servers }) => [version, servers])).toEqual([
      ['2', ['own']],
      ['1.1.4', []],
    ]);
    const used = `/organizations/acme/openapi/documents/${list[0]?.digest}`;
    expect((await admin('DELETE', used)).status).toBe(409);
    expect((await admin('DELETE', `/organizations/acme/openapi/documents/${list[1]?.digest}`)).status).toBe(200);
  });

  test('--key-env without an organization or a value makes no server', async () => {
    const add = (...more: string[]) =>
      gateway.cli('openapi', 'add', join(folder, 'api.json'), '--name', 'half', ...more);
    await expect(add('--key-env', 'REST_TOKEN')).rejects.toThrow('gatehouse credential set');
    await expect(add('--organization', 'acme', '--key-env', 'NO_SUCH_KEY')).rejects.toThrow('NO_SUCH_KEY is not set');
    expect(JSON.stringify((await admin('GET', '/organizations/acme/openapi/documents')).body)).not.toContain('half');
  });

  test('a document is fetched through the egress guard, which judges every hop [S5]', async () => {
    const documentAt = (path: string) => admin('POST', '/organizations/acme/openapi/preview', { from: api.url + path });
    let inside = 0;
    api.answerWith((req, res) => {
      if (req.headers.authorization !== undefined || req.headers.cookie !== undefined) inside++;
      if (req.url === '/api.json') res.end(JSON.stringify(restDocument(api.url)));
      else if (req.url === '/moved') res.writeHead(302, { location: '/api.json' }).end();
      else if (req.url === '/inside') res.writeHead(302, { location: 'http://169.254.169.254/latest' }).end();
      else if (req.url === '/circle') res.writeHead(302, { location: '/circle' }).end();
      else if (req.url === '/endless') res.write(Buffer.alloc(11 * 1024 * 1024, ' '));
      else res.writeHead(404).end('nothing');
      return true;
    });
    for (const path of ['/api.json', '/moved']) {
      expect(await documentAt(path)).toMatchObject({ status: 200, body: { title: 'Roadmap REST API', warnings: [] } });
    }
    for (const path of ['/inside', '/circle', '/endless', '/missing']) {
      expect(await documentAt(path), path).toMatchObject({
        status: 400,
        body: { detail: 'The OpenAPI document cannot be fetched from there' },
      });
    }
    api.answerWith(undefined);
    expect(inside).toBe(0);
  });

  test('more than 500 tools are warned of, before and after they are made', async () => {
    const paths = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`/r${i}`, { get: {} }]));
    const previewOf = async (count: number) => {
      const document = JSON.stringify({ openapi: '3.0.0', info: {}, paths: paths(count) });
      return (await admin('POST', '/openapi/preview', { document })).body.warnings;
    };
    expect(await previewOf(500)).toEqual([]);
    expect(await previewOf(501)).toEqual([expect.stringMatching(/^501 tools, \d+ KiB of definitions/)]);
  });

  test('nobody else reaches a document, and no address inside is fetched or called [S1] [S5]', async () => {
    const document = JSON.stringify(restDocument(api.url));
    const [mine] = (await gateway.cli('openapi', 'list', '--organization', 'acme')) as { digest: string }[];
    expect((await admin('GET', '/organizations/other/openapi/documents')).body).toEqual({ items: [], next: null });
    expect((await admin('DELETE', `/organizations/other/openapi/documents/${mine?.digest}`)).status).toBe(404);
    for (const inside of ['http://169.254.169.254/latest', 'https://10.0.0.1/api.json', 'http://[::1]:1/']) {
      const from = await admin('POST', '/organizations/acme/openapi/preview', { from: inside });
      expect(from).toMatchObject({
        status: 400,
        body: { detail: 'The OpenAPI document cannot be fetched from there' },
      });
      const at = await admin('POST', '/organizations/acme/openapi/servers', { document, key: 'inside', url: inside });
      expect(at.status).toBe(400);
    }
  });

  test('a stranger cannot make it read a large body', async () => {
    const response = await fetch(`${gateway.url}/admin/api/v1/openapi/preview`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ document: 'x'.repeat(1_000_000) }),
    });
    expect(response.status).toBe(401);
    const large = await admin('POST', '/openapi/preview', { document: 'x'.repeat(1_000_000) });
    expect(large).toMatchObject({ status: 400, body: { detail: expect.stringContaining('The OpenAPI document') } });
  });

  test('`import` knows an OpenAPI document, from a file and from an address, and makes callable tools of it [S3.23]', async () => {
    const origin = createServer((_req, res) => res.end(JSON.stringify(restDocument(api.url))));
    await new Promise<void>((done) => origin.listen(0, '127.0.0.1', done));
    const address = origin.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/api.json`;
    try {
      const seen = await gateway.cli('import', url, '--org', 'acme', '--dry-run');
      expect(seen).toMatchObject({ tools: expect.arrayContaining([expect.objectContaining({ name: 'repos_get' })]) });
      for (const [source, as] of [
        [url, 'byurl'],
        [join(folder, 'api.json'), 'byfile'],
      ] as const) {
        const made = await gateway.cli('import', source, '--org', 'acme', '--as', as, '--all-members');
        expect(made).toMatchObject({ server: as, url: `${api.url}/api/v3` });
        await admin('POST', '/organizations/acme/credentials', { server: as, credential: restToken });
        // A credential is there within a second.
        await expect
          .poll(
            async () =>
              (await (await modern(as)).callTool({ name: 'repos_get', arguments: roadmap })).structuredContent,
          )
          .toMatchObject({ full_name: 'acme/roadmap' });
      }
    } finally {
      origin.close();
    }
  });
});
