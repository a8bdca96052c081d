/** `fetch` for commands: addresses that a person typed, through the proxy that their machine is set up with. */
import { type ProxyChoice, proxyChoice } from './proxy-choice.ts';

type Fetch = typeof globalThis.fetch;

/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in capitals or small. */
export function environmentProxy(env: Readonly<Record<string, string | undefined>>): ProxyChoice {
  const find = (name: string) => env[name] || env[name.toLowerCase()] || undefined;
  return proxyChoice({ http: find('HTTP_PROXY'), https: find('HTTPS_PROXY'), none: find('NO_PROXY') });
}

/** Node's own `fetch` where no proxy is in charge. */
export function proxiedFetch(proxyFor: ProxyChoice, direct: Fetch = globalThis.fetch): Fetch {
  const made = new Map<string, Promise<Fetch>>();
  return async (input, init) => {
    const url = URL.parse(input instanceof Request ? input.url : String(input));
    const proxy = url === null ? undefined : proxyFor(url);
    if (proxy === undefined) return direct(input, init);
    const through = made.get(proxy) ?? openThrough(proxy);
    made.set(proxy, through);
    return (await through)(input, init);
  };
}

/** Loaded by those who need it. */
async function openThrough(proxy: string): Promise<Fetch> {
  const { ProxyAgent, fetch } = await import('undici');
  const dispatcher = new ProxyAgent(/^https?:\/\//.test(proxy) ? proxy : `http://${proxy}`);
  // Its types and Node's differ in fields that nobody here sets.
  const send = fetch as unknown as (url: string, init: object) => Promise<Response>;
  return async (input, init) => {
    if (!(input instanceof Request)) return send(String(input), { ...init, dispatcher });
    const { method, headers, signal, redirect } = input;
    const body = input.body === null ? null : Buffer.from(await input.arrayBuffer());
    return send(input.url, { ...{ method, headers: [...headers], body, signal, redirect }, ...init, dispatcher });
  };
}
