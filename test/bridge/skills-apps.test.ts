/** Skills (SEP-2640) and MCP Apps (SEP-1865) of several servers at one endpoint: what has equal names stays apart. */
import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { completable, createMcpHandler, McpServer, ResourceTemplate } from '@modelcontextprotocol/server';
import { memorySkillFiles, type SkillCatalog, SkillsExtension } from '@modelcontextprotocol/server/ext/skills';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { type Content, type ModernWire, openModernWire } from '#kit/modern-wire.ts';

interface Running {
  readonly url: string;
  close(): Promise<void>;
}

let north: Running;
let south: Running;
let gateway: RunningGateway;
let key: string;
beforeAll(async () => {
  [north, south] = await Promise.all([startServer('north'), startServer('south')]);
  gateway = await startGateway({ configYaml: yaml() });
  key = await createKey(gateway);
});
afterAll(async () => {
  await gateway?.stop();
  await north?.close();
  await south?.close();
});

/** Both have the same skill, the same page and a tool for it; each has a tool of its own for its app. */
async function startServer(name: string): Promise<Running> {
  const skills: SkillCatalog = await SkillsExtension.load(
    memorySkillFiles({
      'greeting/SKILL.md': `---\nname: greeting\ndescription: How to greet in the ${name}\n---\nSay hello from the ${name}.\n`,
      'greeting/words/formal.md': `Good day from the ${name}`,
    }),
  );
  const handler = createMcpHandler(() => openServer(name, skills), { legacy: 'reject' });
  const { port, close } = await listenOnLoopback(createServer(toNodeHandler(handler)));
  return { url: `http://127.0.0.1:${port}/mcp`, close: () => handler.close().then(close) };
}

function openServer(name: string, skills: SkillCatalog): McpServer {
  const server = new McpServer(
    { name, version: '1' },
    { capabilities: { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] } } } },
  );
  skills.attach(server);
  const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] });
  const ui = (visibility: readonly string[]) => ({ ui: { resourceUri: 'ui://clock/page.html', visibility } });
  server.registerTool('show_clock', { description: 'Shows a clock', _meta: ui(['model', 'app']) }, () => text(name));
  server.registerTool(`tick_${name}`, { description: 'For the page', _meta: ui(['app']) }, () => text(`tick ${name}`));
  server.registerTool('tock', { description: 'For the page', _meta: ui(['app']) }, () => text(`tock ${name}`));
  server.registerTool(`plain_${name}`, { description: 'For the model' }, () => text(name));
  const page = (uri: URL) => ({
    contents: [{ uri: uri.href, mimeType: 'text/html;profile=mcp-app', text: `<p>${name}</p>` }],
  });
  server.registerResource('page', 'ui://clock/page.html', { mimeType: 'text/html;profile=mcp-app' }, page);
  const argsSchema = z.object({ who: completable(z.string(), (typed) => [`${typed}-${name}`]) });
  server.registerPrompt('greet', { argsSchema }, ({ who }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: who } }],
  }));
  const complete = { city: (typed: string) => [`${typed}-${name}`] };
  const template = new ResourceTemplate('weather://{city}/now', { list: undefined, complete });
  server.registerResource('weather', template, {}, (uri) => ({ contents: [{ uri: uri.href, text: name }] }));
  return server;
}

const yaml = () => `
organizations: [{ slug: demo, name: Demo }]
servers:
  - { key: north, transport: { kind: http, url: '${north.url}' } }
  - { key: south, transport: { kind: http, url: '${south.url}' } }
collections:
  - { organization: demo, name: both, allowedRoles: '*', bindings: [{ server: north }, { server: south }] }
  - { organization: demo, name: plain, allowedRoles: '*', names: plain, bindings: [{ server: north }, { server: south }] }
enablements:
  - { organization: demo, server: north, allMembers: true }
  - { organization: demo, server: south, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;

const capabilities = {
  extensions: {
    'io.modelcontextprotocol/skills': {},
    'io.modelcontextprotocol/ui': { mimeTypes: ['text/html;profile=mcp-app'] },
  },
};
const open = (name = 'both') => openModernWire(`${gateway.url}/demo/mcp/${name}`, key, capabilities);
const textOf = (value: unknown) => JSON.stringify(value);

const skillList = z.object({ skills: z.array(z.looseObject({ uri: z.string() })) });
const toolList = z.object({
  tools: z.array(
    z.looseObject({
      name: z.string(),
      _meta: z.object({ ui: z.object({ resourceUri: z.string(), visibility: z.array(z.string()) }) }).optional(),
    }),
  ),
});
const directory = z.object({ resources: z.array(z.looseObject({ uri: z.string() })) });

describe('skills of two servers with the same URIs', () => {
  test.each(['both', 'plain'])('each is found at its own server (%s)', async (name) => {
    const client = open(name);
    const discovered = await client.request('server/discover');
    expect(textOf(discovered.capabilities)).toContain('io.modelcontextprotocol/skills');
    const { skills } = skillList.parse(await client.request('skills/list'));
    expect(new Set(skills.map(({ uri }) => uri)).size).toBe(2);
    const said = await Promise.all(skills.map(({ uri }) => client.request('skills/get', { uri })));
    expect(said.map((one) => (textOf(one).includes('in the north') ? 'north' : 'south')).sort()).toEqual([
      'north',
      'south',
    ]);
    for (const { uri } of skills) {
      const owner = textOf(await client.request('skills/get', { uri })).includes('in the north') ? 'north' : 'south';
      const read = await client.request('resources/read', { uri });
      expect(textOf(read)).toContain(`Say hello from the ${owner}`);
      expect(textOf(read)).toContain(uri);
    }
  });

  test('their folders are read by the URIs that the folders gave', async () => {
    const client = open();
    for (const { uri } of skillList.parse(await client.request('skills/list')).skills) {
      const folder = uri.replace(/\/SKILL\.md$/, '');
      const { resources } = directory.parse(await client.request('resources/directory/read', { uri: folder }));
      expect(resources.map((one) => one.uri)).toContain(uri);
      const words = resources.find((one) => one.uri.endsWith('/words'));
      const inside = directory.parse(await client.request('resources/directory/read', { uri: words?.uri ?? '' }));
      const [formal] = inside.resources;
      expect(textOf(await client.request('resources/read', { uri: formal?.uri ?? '' }))).toContain('Good day');
    }
  });
});

describe('apps of two servers with the same page', () => {
  test("a tool's page is its own server's, and app-only tools stay", async () => {
    const client = open();
    const { tools } = toolList.parse(await client.request('tools/list'));
    for (const server of ['north', 'south']) {
      const shown = tools.find(({ name }) => name === `${server}_show_clock`)?._meta?.ui;
      const page = await client.request('resources/read', { uri: shown?.resourceUri ?? '' });
      expect(textOf(page)).toContain(`<p>${server}</p>`);
      const ticking = tools.find(({ name }) => name === `${server}_tick_${server}`);
      expect(ticking?._meta?.ui.visibility).toEqual(['app']);
    }
  });

  test('an app calls its own tools by their own names; where two servers have one, neither is called', async () => {
    const client = open();
    await client.request('tools/list');
    const call = (client_: ModernWire, name: string): Promise<Content> =>
      client_.request('tools/call', { name, arguments: {} });
    expect(textOf(await call(client, 'tick_south'))).toContain('tick south');
    await expect(call(client, 'tock')).rejects.toMatchObject({ code: -32602 });
    expect(textOf(await call(client, 'south_tock'))).toContain('tock south');
    await expect(call(client, 'plain_south')).rejects.toMatchObject({ code: -32602 });
  });
});

test('arguments of templates are completed by the server of the template', async () => {
  const client = open();
  const templates = await client.request('resources/templates/list');
  const uris = z
    .object({ resourceTemplates: z.array(z.looseObject({ uriTemplate: z.string() })) })
    .parse(templates)
    .resourceTemplates.map(({ uriTemplate }) => uriTemplate)
    .filter((uri) => uri.startsWith('weather:'));
  expect(uris).toHaveLength(2);
  const completed = await Promise.all(
    uris.map((uri) =>
      client.request('completion/complete', {
        ref: { type: 'ref/resource', uri },
        argument: { name: 'city', value: 'os' },
      }),
    ),
  );
  expect(completed.map(textOf).join()).toMatch(/os-north.*os-south/);
});

test('arguments of prompts are completed by the server of the prompt', async () => {
  const completed = await open().request('completion/complete', {
    ref: { type: 'ref/prompt', name: 'south_greet' },
    argument: { name: 'who', value: 'a' },
  });
  expect(textOf(completed)).toContain('a-south');
});
