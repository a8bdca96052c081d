/** A REST API in GitHub's manner: repositories, issues, pages by Link, bearer tokens, 404, 422 and rate limits. It keeps what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenOnLoopback } from './listen.ts';

export interface RestCall {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface RestApi {
  /** `http://127.0.0.1:port`, its prefix is `/api/v3`. */
  readonly url: string;
  readonly calls: readonly RestCall[];
  last(): RestCall;
  /** In front of everything else; true: it has answered. */
  answerWith(handle: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined): void;
  close(): Promise<void>;
}

export const restToken = 'ghp_rest-token-of-the-organization';

interface Issue {
  readonly number: number;
  readonly title: string;
  readonly body: string | null;
  readonly state: string;
  readonly user: { readonly login: string };
}

export async function startRestApi(): Promise<RestApi> {
  const calls: RestCall[] = [];
  const issues: Issue[] = Array.from({ length: 5 }, (_, i) => issue(i + 1, `Issue ${i + 1}`, null));
  let first: ((req: IncomingMessage, res: ServerResponse) => boolean) | undefined;
  let url = '';
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      calls.push({ method: req.method ?? '', url: req.url ?? '', headers: req.headers, body });
      if (!first?.(req, res)) answer({ req, res, body, issues, url });
    });
  });
  const { port, close } = await listenOnLoopback(server);
  url = `http://127.0.0.1:${port}`;
  return {
    url,
    calls,
    last() {
      const call = calls.at(-1);
      if (!call) throw new Error('nothing was asked');
      return call;
    },
    answerWith(handle) {
      first = handle;
    },
    close,
  };
}

const issue = (number: number, title: string, body: string | null): Issue => {
  return { number, title, body, state: 'open', user: { login: 'octocat' } };
};

interface Asked {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly body: string;
  readonly issues: Issue[];
  readonly url: string;
}

function send(res: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  res.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'x-ratelimit-remaining': '59',
    ...headers,
  });
  res.end(value === undefined ? undefined : JSON.stringify(value));
}

function answer(asked: Asked): unknown {
  const { req, res } = asked;
  const at = new URL(req.url ?? '', 'http://api.invalid');
  if (req.headers.authorization !== `Bearer ${restToken}`) return send(res, 401, { message: 'Bad credentials' });
  if (at.pathname === '/api/v3/rate_limit') return send(res, 429, { message: 'slow down' }, { 'retry-after': '30' });
  const [, repo, rest] = /^\/api\/v3\/repos\/acme\/([^/]+)(\/.*)?$/.exec(at.pathname) ?? [];
  if (repo === undefined || repo !== 'roadmap') return send(res, 404, { message: 'Not Found', status: '404' });
  if (rest === undefined) return send(res, 200, { id: 7, full_name: `acme/${repo}`, description: null, private: true });
  if (rest === '/issues') return req.method === 'POST' ? create(asked) : list(asked, at);
  const number = Number(/^\/issues\/(\d+)$/.exec(rest)?.[1]);
  const found = asked.issues.find((one) => one.number === number);
  if (!found) return send(res, 404, { message: 'Not Found', status: '404' });
  if (req.method === 'DELETE') {
    return res.writeHead(204).end();
  }
  return send(res, 200, found);
}

function create({ res, body, issues }: Asked): unknown {
  const { title, body: text = null } = JSON.parse(body) as { title?: string; body?: string };
  if (!title)
    return send(res, 422, { message: 'Validation Failed', errors: [{ field: 'title', code: 'missing_field' }] });
  const made = issue(issues.length + 1, title, text);
  issues.push(made);
  return send(res, 201, made);
}

function list({ res, issues, url }: Asked, at: URL): void {
  const size = Number(at.searchParams.get('per_page') ?? 30);
  const page = Number(at.searchParams.get('page') ?? 1);
  const some = issues.slice((page - 1) * size, page * size);
  at.searchParams.set('page', String(page + 1));
  const link = `<${url}${at.pathname}${at.search}>; rel="next", <${url}${at.pathname}?page=9>; rel="last"`;
  send(res, 200, some, page * size < issues.length ? { link } : {});
}
