/** A browser without a screen: cookies by host and path, redirects and meta refreshes followed one by one, forms sent as a page would. */

export interface Visited {
  /** Where it ended: not followed where `stopAt` said so. */
  readonly url: string;
  readonly status: number;
  readonly html: string;
  readonly headers: Headers;
  /** Every URL on the way. */
  readonly trail: readonly string[];
}

export interface BrowserJar {
  /** Follows until a page, or until a URL that `stopAt` accepts (that one isn't asked). */
  open(url: string): Promise<Visited>;
  /** Sends the page's hidden fields with these; `headers` replace what a browser would send. */
  submit(
    page: Visited,
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string | undefined>>,
  ): Promise<Visited>;
  /** `name=value` pairs that would be sent there. */
  cookiesFor(url: string): string;
}

interface Cookie {
  readonly host: string;
  readonly path: string;
  readonly name: string;
  readonly value: string;
}

/** `fetch`: how it reaches anything, e.g. emulators by their real names. */
export function openBrowserJar(stopAt: (url: string) => boolean, { fetch = globalThis.fetch } = {}): BrowserJar {
  let cookies: readonly Cookie[] = [];

  function keep(url: URL, lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const read = (key: string) =>
        attributes.find((attribute) => attribute.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1);
      const [name, value, path] = [pair.slice(0, at), pair.slice(at + 1), read('path') ?? '/'];
      cookies = cookies.filter((old) => old.name !== name || old.path !== path || old.host !== url.hostname);
      const gone = read('max-age') === '0' || Date.parse(read('expires') ?? '') < Date.now();
      if (!gone) cookies = [...cookies, { host: url.hostname, path, name, value }];
    }
  }

  function cookiesFor(target: string): string {
    const { hostname, pathname } = new URL(target);
    const fits = ({ host, path }: Cookie) =>
      host === hostname && (path === '/' || pathname === path || pathname.startsWith(`${path}/`));
    return cookies
      .filter(fits)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }

  async function go(first: string, init: RequestInit & { headers?: Record<string, string> }): Promise<Visited> {
    const trail: string[] = [];
    let [url, next] = [first, init];
    for (let hops = 0; hops < 20; hops++) {
      trail.push(url);
      if (stopAt(url)) return { url, status: 0, html: '', headers: new Headers(), trail };
      const cookie = cookiesFor(url);
      const answer = await fetch(url, {
        ...next,
        redirect: 'manual',
        headers: { accept: 'text/html', ...next.headers, ...(cookie && { cookie }) },
      });
      keep(new URL(url), answer.headers.getSetCookie());
      const html = await answer.text();
      const refresh = /http-equiv="refresh" content="0;url=([^"]*)"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
      const target = answer.headers.get('location') ?? refresh;
      if (target === undefined) return { url, status: answer.status, html, headers: answer.headers, trail };
      url = new URL(target, url).href;
      next = {};
    }
    throw new Error(`too many redirects: ${trail.join(' ')}`);
  }

  return {
    open: (url) => go(url, {}),
    submit(page, fields, headers = {}) {
      const hidden = [...page.html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
      const action = /<form [^>]*action="([^"]+)"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&') ?? page.url;
      const body = new URLSearchParams({
        ...Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value])),
        ...fields,
      });
      const sent = { origin: new URL(page.url).origin, 'sec-fetch-site': 'same-origin', ...headers };
      const defined = Object.entries(sent).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
      return go(new URL(action, page.url).href, {
        method: 'POST',
        body: body.toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...Object.fromEntries(defined) },
      });
    },
    cookiesFor,
  };
}
