/** `echo`: shows callers and operators what arrives at an upstream server, and what does not. */
import { McpServer, type ServerContext } from '@modelcontextprotocol/server';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import type { EchoSession } from './sessionful.ts';

export interface EchoOptions {
  readonly clock: Clock;
  /** undefined: a server without sessions. */
  readonly session: EchoSession | undefined;
}

type Result = { content: { type: 'text'; text: string }[]; isError?: boolean };

const text = (value: unknown): Result => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value, null, 2) }],
});
const failure = (message: string): Result => ({ ...text(message), isError: true });

export function echoServer({ clock, session }: EchoOptions): McpServer {
  const name = session ? 'echo-stateful' : 'echo-stateless';
  const server = new McpServer({ name, version: '1.0.0' }, { capabilities: { logging: {} } });
  const startedAt = clock.monotonic();
  registerEcho(server, session);
  registerRequestTools(server, clock, startedAt);
  registerServerTools(server, clock, session);
  return server;
}

function registerEcho(server: McpServer, session: EchoSession | undefined): void {
  server.registerTool(
    'echo',
    { description: 'Gives the message back', inputSchema: z.object({ message: z.string() }) },
    ({ message }) => {
      if (session) {
        session.calls++;
        session.last = message;
        session.tell({ echoed: message });
      }
      return text(message);
    },
  );
  server.registerTool('replayLastEcho', { description: 'Gives the last message of this session again' }, () => {
    if (!session) return failure('This server keeps no sessions');
    return session.last === undefined ? failure('Nothing was echoed in this session yet') : text(session.last);
  });
}

function registerRequestTools(server: McpServer, clock: Clock, startedAt: number): void {
  server.registerTool(
    'printHeader',
    { description: 'The header fields that reached this server; values of credentials are hidden' },
    (ctx) => text(Object.fromEntries([...headersOf(ctx)].map(([key, value]) => [key, shown(key, value)]))),
  );
  server.registerTool(
    'bearerDecode',
    { description: 'Header and claims of the bearer token that reached this server, unverified' },
    (ctx) => decodeBearer(headersOf(ctx).get('authorization') ?? ''),
  );
  server.registerTool('authContext', { description: 'Who the gateway says is calling' }, (ctx) =>
    text(identityOf(headersOf(ctx))),
  );
  server.registerTool('requestTiming', { description: 'When this request arrived and how long it took so far' }, () =>
    text({ at: new Date(clock.now()).toISOString(), elapsedMs: clock.monotonic() - startedAt }),
  );
  server.registerTool('corsAnalysis', { description: 'What a browser would be told about this request' }, (ctx) =>
    text(analyseCors(headersOf(ctx))),
  );
  server.registerTool('whoIStheGOAT', { description: 'Tells who is the greatest of all time' }, (ctx) => {
    const { name, email } = identityOf(headersOf(ctx));
    return text(`After careful analysis: ${name ?? email ?? 'you, whoever you are,'} is the greatest of all time.`);
  });
}

function registerServerTools(server: McpServer, clock: Clock, session: EchoSession | undefined): void {
  server.registerTool('environmentDump', { description: 'Facts about the process; no secrets' }, () =>
    text({
      node: process.version,
      platform: process.platform,
      arch: process.arch,
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    }),
  );
  server.registerTool('healthProbe', { description: 'Whether this server is well' }, () =>
    text({
      status: 'healthy',
      uptimeSeconds: Math.round(process.uptime()),
      memoryMiB: Math.round(process.memoryUsage.rss() / 1_048_576),
    }),
  );
  server.registerTool('sessionInfo', { description: 'What this server keeps about the session' }, (ctx) => {
    if (!session) return text({ stateful: false });
    const { startedAt, calls, waiting } = session;
    const ageSeconds = Math.round((clock.now() - startedAt) / 1000);
    return text({ stateful: true, id: ctx.sessionId, ageSeconds, echoes: calls, waitingMessages: waiting });
  });
}

function headersOf(ctx: ServerContext): Headers {
  return ctx.http?.req?.headers ?? new Headers();
}

function shown(name: string, value: string): string {
  return /authorization|cookie|key|token|secret|password|session/.test(name) ? '[hidden]' : value;
}

function decodeBearer(authorization: string): Result {
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) return failure('No bearer token reached this server: the gateway keeps yours to itself');
  try {
    return text({ header: decodeProtectedHeader(token), claims: decodeJwt(token), verified: false });
  } catch {
    return failure('The bearer token that reached this server is no JWT');
  }
}

function identityOf(headers: Headers) {
  const get = (name: string) => headers.get(name) ?? undefined;
  return {
    validated: get('x-gateway-validated') === 'true',
    id: get('x-user-id'),
    email: get('x-user-email'),
    name: get('x-user-name'),
    groups: get('x-user-groups')
      ?.split(',')
      .map((group) => group.trim()),
    admin: get('x-user-admin') === 'true',
    organization: get('x-organization-id'),
    requestId: get('x-request-id'),
    hasCredential: headers.has('authorization') || headers.has('x-api-key'),
  };
}

function analyseCors(headers: Headers) {
  const origin = headers.get('origin');
  return {
    origin,
    isCrossOrigin: origin !== null,
    isPreflight: headers.has('access-control-request-method'),
    requestedHeaders: headers.get('access-control-request-headers'),
    note: 'The gateway answers browsers itself: preflights and Origin do not reach this server.',
  };
}
