/** A request of the façade as the rooms read it: a POST of one message, whatever it was. Its body is read when they ask for it. */
import { readCookie } from '#http/cookies.ts';
import type { ClientRequest } from '#http/exchange.ts';

/** Of MCP, or said anew. */
const replaced = /^(?:accept|mcp-.*|last-event-id)$/i;
const content = /^(?:content-type|content-length|transfer-encoding)$/i;

export interface RestRequestOptions {
  /** The cookie that signs in; undefined: none does. */
  readonly cookie: string | undefined;
  /** What a page must be from for its cookie to count. No trailing slash. */
  readonly baseUrl: string;
}

export class RestRequest implements ClientRequest {
  readonly method = 'POST';
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly #request: ClientRequest;

  constructor(request: ClientRequest, options: RestRequestOptions) {
    this.#request = request;
    this.httpVersion = request.httpVersion;
    this.rawHeaders = headersOf(request, options);
  }

  get url(): string | undefined {
    return this.#request.url;
  }

  get headers(): ClientRequest['headers'] {
    return { accept: 'application/json', 'content-length': this.#request.headers['content-length'] };
  }

  get socket(): ClientRequest['socket'] {
    return this.#request.socket;
  }

  get destroyed(): boolean {
    return this.#request.destroyed;
  }

  get readableEnded(): boolean {
    return this.#request.readableEnded;
  }

  on(event: 'data' | 'end' | 'close' | 'error', listener: (chunk: Buffer) => void): void {
    this.#request.on(event, listener);
  }
}

/** Repeated fields stay repeated: the rooms refuse them. */
function headersOf(request: ClientRequest, options: RestRequestOptions): string[] {
  const { rawHeaders } = request;
  const kept: string[] = [];
  let hasContent = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    const value = rawHeaders[i + 1] ?? '';
    if (replaced.test(name)) continue;
    if (content.test(name) && !(/^content-length$/i.test(name) && value === '0')) hasContent = true;
    kept.push(name, value);
  }
  // Without a body nothing says what it is.
  if (!hasContent) kept.push('content-type', 'application/json');
  const token = findCookie(rawHeaders, options);
  return [...kept, 'accept', 'application/json', ...(token === undefined ? [] : ['authorization', `Bearer ${token}`])];
}

/**
 * Only of a page of this very origin, which browsers say of themselves (Fetch Metadata, or Origin), and only where nothing
 * else says who calls: a page from elsewhere can send a cookie but not that.
 */
function findCookie(rawHeaders: readonly string[], { cookie, baseUrl }: RestRequestOptions): string | undefined {
  if (cookie === undefined) return undefined;
  const all = (wanted: string) =>
    rawHeaders.flatMap((name, i) =>
      i % 2 === 0 && name.toLowerCase() === wanted ? [(rawHeaders[i + 1] ?? '').trim()] : [],
    );
  if (all('authorization').length > 0 || all('x-api-key').length > 0) return undefined;
  const sites = all('sec-fetch-site');
  const origins = all('origin');
  const own = new URL(baseUrl).origin;
  const isOwn = sites.every((site) => site === 'same-origin') && origins.every((origin) => origin === own);
  if (!isOwn || sites.length + origins.length === 0) return undefined;
  const [header, ...more] = all('cookie');
  return more.length > 0 ? undefined : readCookie(header, cookie);
}
