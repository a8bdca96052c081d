/** Requests as they are made, without what changes from run to run or must not be shown. */

import type { Broker, BrokeredWorld } from '#kit/brokered-world.ts';

export interface Step {
  /** Method and address. */
  readonly request: string;
  readonly status: number;
  readonly shows: string;
}

export interface Recorder {
  readonly steps: readonly Step[];
  /** One request to the gateway, by a path or a whole URL; `sent` is a form, or JSON. */
  ask(shows: string, method: string, url: string, sent?: Sent): Promise<Recorded>;
  /** A person in a browser of their own, from the client's authorization URL: what the client is told. */
  browse(url: string, by: { readonly with: Broker; readonly redirectUri: string }): Promise<URLSearchParams>;
  /** For programs that make their requests themselves. */
  readonly fetch: typeof globalThis.fetch;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
}

export interface Recorded {
  readonly status: number;
  readonly headers: Headers;
  /** Of JSON, or of an event stream's first message; `{}` else. */
  readonly body: Readonly<Record<string, unknown>>;
}

export function openRecorder(world: BrokeredWorld): Recorder {
  const steps: Step[] = [];
  const { issuer } = world;
  const recording =
    (
      explain: (method: string, url: URL, answer: Response, body: unknown) => string | undefined,
    ): typeof globalThis.fetch =>
    async (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const method = init?.method ?? 'GET';
      const answer = await world.fetch(url, init);
      const request = `${method} ${shown(url, issuer)}`;
      const shows = explain(method, url, answer, init?.body);
      if (shows !== undefined) steps.push({ request, status: answer.status, shows });
      return answer;
    };
  return {
    steps,
    fetch: recording(programStep),
    async ask(shows, method, url, { headers = {}, json, form } = {}) {
      const answer = await recording(() => shows)(new URL(url, issuer), {
        method,
        redirect: 'manual',
        headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(json !== undefined && { body: JSON.stringify(json) }),
        ...(form && { body: new URLSearchParams(form) }),
      });
      if (headers.origin !== undefined) checkReadable(answer.headers, headers);
      return { status: answer.status, headers: answer.headers, body: parsed(await answer.text()) };
    },
    async browse(url, by) {
      const jar = world.jar(by.redirectUri, recording(browserStep(issuer)));
      const back = await world.signIn(new URL(url), { ...by, jar });
      steps.push({
        request: `browser → ${shown(back, issuer)}`,
        status: 0,
        shows: 'back at the client, which compares state and iss',
      });
      return back.searchParams;
    },
  };
}

/** As a browser would before it shows a page the answer, or after a preflight (Fetch standard). Throws. */
function checkReadable(answer: Headers, sent: Readonly<Record<string, string>>): void {
  const allowed = answer.get('access-control-allow-origin');
  if (allowed !== '*' && allowed !== sent.origin) throw new Error(`not to be read from ${sent.origin}: ${allowed}`);
  const names = answer.get('access-control-allow-headers')?.toLowerCase().split(/, */) ?? [];
  for (const name of sent['access-control-request-headers']?.split(/, */) ?? [])
    if (!names.includes(name)) throw new Error(`the header ${name} may not be sent: ${names}`);
}

const browserStep = (issuer: string) => (method: string, url: URL, answer: Response) => {
  const { pathname } = url;
  if (url.origin !== issuer) return 'the identity provider signs the person in';
  if (pathname === '/authorize') return 'nobody is called yet: the person is asked first';
  if (pathname === '/callback') return 'state and browser belong together';
  if (pathname.endsWith('/next')) return 'a page of our own leads on, so that no form posts elsewhere';
  const leaves = !answer.headers.get('location')?.startsWith(issuer);
  if (pathname.startsWith('/authorize/')) return leaves ? 'a code for this client' : 'sign-in goes on where it began';
  if (method === 'POST') return 'the yes, with its CSRF token';
  return answer.status === 200 ? 'consent: who asks, where to, what for' : 'agreed a moment ago: not asked twice';
};

/** Undefined: made beside the others, so now here and now there (the stream that is not offered). */
const programStep = (method: string, { pathname }: URL, { status }: Response, body: unknown) => {
  if (status === 401) return 'a challenge';
  if (pathname.startsWith('/.well-known/oauth-protected-resource')) return 'by the path of the URL';
  if (pathname.startsWith('/.well-known/')) return 'at the root, where the issuer is';
  if (pathname === '/register') return 'it registers itself';
  if (pathname === '/token') return 'tokens of our own';
  return method === 'POST' && typeof body === 'string' ? `\`${JSON.parse(body).method}\`` : undefined;
};

const kept = new Set(['resource', 'redirect_uri', 'scope', 'error']);

/** Parameters by name alone, but those that say what is asked for. */
function shown(url: URL, issuer: string): string {
  const outside = url.origin !== issuer;
  const emulator = url.origin.startsWith('http://127.0.0.1') && !url.searchParams.has('iss');
  const host = emulator ? '{identity provider}' : outside ? `${url.protocol}//${url.host}` : '';
  const path = url.pathname
    .replace(/^(\/(?:interaction|authorize)\/)[\w-]+/, '$1{uid}')
    .replace(/^(\/register\/)[\w-]+/, '$1{client_id}')
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, '{directory}');
  const query = [...url.searchParams].map(([name, value]) =>
    kept.has(name) && !outside ? `${name}=${value.replace(/:\d{4,5}\//, ':{port}/')}` : name,
  );
  return `${host.replace(/:\d{4,5}$/, ':{port}')}${path}${query.length > 0 ? `?${query.join('&')}` : ''}`;
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  const json = /^data: (\{.*)$/m.exec(text)?.[1] ?? text;
  return json.startsWith('{') ? JSON.parse(json) : {};
}
