/**
 * `fetch`: a web page as Markdown. Whatever it reaches, it reaches through the guarded fetch it was given; sites that ask
 * robots to stay away are left alone.
 */
import { McpServer, type McpServerFactory } from '@modelcontextprotocol/server';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { type MarkdownConverter, openMarkdownConverter } from './markdown.ts';
import { allowAll, denyAll, parseRobots, type RobotsRules } from './robots.ts';

export type GuardedFetch = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly redirect: 'manual'; readonly signal: AbortSignal },
) => Promise<Response>;

export interface FetchDeps {
  readonly clock: Clock;
  readonly fetch: GuardedFetch;
}

interface Page {
  readonly url: URL;
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What went wrong, said to the caller: never why an address was refused (SECURITY S5). */
class FetchProblem extends Error {}

const AGENT = 'gatehouse';
const USER_AGENT = 'Gatehouse-Fetch/1.0 (+https://modelcontextprotocol.io)';
const MAX_BYTES = 1024 * 1024;
const MAX_ROBOTS_BYTES = 512 * 1024;
const MAX_REDIRECTS = 3;
const TOTAL_MS = 15_000;
const ROBOTS_TTL_MS = 3_600_000;

export function openFetchServer(deps: FetchDeps): McpServerFactory {
  const robots = new LRUCache<string, RobotsRules>({
    max: 1000,
    ttl: ROBOTS_TTL_MS,
    perf: { now: () => deps.clock.monotonic() },
  });
  const markdown = openMarkdownConverter();
  return () => {
    const server = new McpServer({ name: 'fetch', version: '1.0.0' });
    server.registerTool(
      'fetch',
      {
        description: 'Fetches a web page and gives its content as Markdown, in parts if it is long',
        inputSchema: z.object({
          url: z.string().max(2048).describe('http or https'),
          max_length: z.number().int().min(1).max(1_000_000).default(5000).describe('Characters to give back'),
          start_index: z.number().int().min(0).default(0).describe('Where to go on in a long page'),
          raw: z.boolean().default(false).describe('As it is, without conversion'),
        }),
      },
      async ({ url, max_length, start_index, raw }) => {
        try {
          const page = await getPage(deps, robots, parseUrl(url));
          return text(cut(page, await render(page, raw, markdown), start_index, max_length));
        } catch (thrown) {
          const message = thrown instanceof FetchProblem ? thrown.message : 'The page cannot be reached';
          return { ...text(message), isError: true };
        }
      },
    );
    return server;
  };
}

function text(value: string) {
  return { content: [{ type: 'text' as const, text: value }] };
}

function parseUrl(value: string): URL {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new FetchProblem('The URL must begin with http:// or https://');
  }
  if (url.username !== '' || url.password !== '') throw new FetchProblem('The URL must not contain a user name');
  url.hash = '';
  return url;
}

async function getPage(deps: FetchDeps, robots: LRUCache<string, RobotsRules>, start: URL): Promise<Page> {
  const signal = AbortSignal.timeout(TOTAL_MS);
  let url = start;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const rules = robots.get(url.origin) ?? (await getRobots(deps, url, signal));
    robots.set(url.origin, rules);
    if (!rules.allows(url.pathname + url.search)) throw new FetchProblem('The site asks robots not to fetch this page');
    const response = await request(deps, url, signal);
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null) return readPage(url, response);
    await response.body?.cancel();
    const next = URL.parse(location, url.href);
    if (!next) throw new FetchProblem('The page redirects to a broken address');
    url = parseUrl(next.href);
  }
  throw new FetchProblem('The page redirects too often');
}

function request({ fetch }: FetchDeps, url: URL, signal: AbortSignal): Promise<Response> {
  const headers = {
    'user-agent': USER_AGENT,
    accept: 'text/html,application/xhtml+xml,text/*;q=0.9,*/*;q=0.5',
    'accept-encoding': 'identity',
  };
  return fetch(url.href, { headers, redirect: 'manual', signal });
}

/** RFC 9309 2.3.1: no such file allows all, a broken server allows nothing, a redirect is followed. */
async function getRobots(deps: FetchDeps, page: URL, signal: AbortSignal): Promise<RobotsRules> {
  let url = new URL('/robots.txt', page);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const response = await request(deps, url, signal);
    const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    const next = location === null ? null : URL.parse(location, url.href);
    if (response.ok) return parseRobots((await readText(response, MAX_ROBOTS_BYTES)).text, AGENT);
    await response.body?.cancel();
    if (response.status >= 500) return denyAll;
    if (!next) return allowAll;
    url = parseUrl(next.href);
  }
  return allowAll;
}

async function readPage(url: URL, response: Response): Promise<Page> {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!response.ok) {
    await response.body?.cancel();
    throw new FetchProblem(`The page answered with status ${response.status}`);
  }
  if (!isText(type)) {
    await response.body?.cancel();
    throw new FetchProblem(`The page is not text but ${type.slice(0, 80)}`);
  }
  const { text: body, isCut } = await readText(response, MAX_BYTES);
  const notice = isCut ? '\n\n(The rest of the page is too long to be fetched.)' : '';
  return { url, status: response.status, type, body: body + notice };
}

function isText(type: string): boolean {
  return (
    type === '' ||
    type.startsWith('text/') ||
    /^application\/(?:.*\+)?(?:json|xml|xhtml\+xml|javascript|yaml)$/.test(type)
  );
}

async function readText(response: Response, maxBytes: number): Promise<{ text: string; isCut: boolean }> {
  const charset = /charset="?([\w-]+)/i.exec(response.headers.get('content-type') ?? '')?.[1] ?? 'utf-8';
  const chunks: Uint8Array[] = [];
  let length = 0;
  let isCut = false;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      length += chunk.length;
      isCut = length > maxBytes;
      if (isCut) break;
    }
  } catch (thrown) {
    // Broken off, or longer than the guarded fetch hands out: the beginning is worth having.
    if (length === 0) throw thrown;
    isCut = true;
  }
  return { text: decode(Buffer.concat(chunks).subarray(0, maxBytes), charset), isCut };
}

function decode(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}

async function render({ type, body }: Page, raw: boolean, markdown: MarkdownConverter): Promise<string> {
  const isHtml = type.includes('html') || (type === '' && /^\s*<(?:!doctype html|html)/i.test(body));
  if (raw || !isHtml) return body;
  const converted = await markdown.convert(body);
  if (converted === undefined) throw new FetchProblem('The page is too complex to be converted: ask for it raw');
  return converted;
}

function cut(page: Page, content: string, start: number, length: number): string {
  if (start > 0 && start >= content.length) throw new FetchProblem('There is no more content');
  const part = content.slice(start, start + length);
  const next = start + part.length;
  const more =
    content.length > next ? `\n\n(${content.length - next} more characters: go on with start_index ${next})` : '';
  return `Contents of ${page.url.href}:\n${part}${more}`;
}
