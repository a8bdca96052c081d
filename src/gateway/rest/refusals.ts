/** Refusals in the façade's words: `{detail}` with the texts and statuses of REQUIREMENTS S3. */
import type { GatehouseError } from '#core/error.ts';
import type { Principal } from '#core/principal.ts';
import { methodOf, type RestWish } from '#core/rest-path.ts';
import type { Call } from '#gateway/call.ts';
import type { Refusal } from '#gateway/channel/door.ts';
import { emptyDocument } from './document.ts';
import { noServers } from './server-list.ts';

export interface RefusalContext {
  readonly wish: RestWish;
  readonly baseUrl: string;
}

/** Strangers are told how to sign in, and that there is nothing for them: never what there is (DESIGN ruling 16). */
const forStrangers = 'Sign in to see the servers that you may use';
/** Routes beside MCP need no organization (REQUIREMENTS S4.19). */
const forNewcomers = 'No organization has let you in yet: ask an administrator for access';

export function refusalOf(error: GatehouseError, call: Call, { wish, baseUrl }: RefusalContext): Refusal {
  const told = { no_token: forStrangers, no_organization: forNewcomers }[String(error.code)];
  if (told !== undefined && methodOf(wish) === call.door?.facade?.method) {
    if (wish.kind === 'servers') return { status: 200, body: JSON.stringify(noServers(told)) };
    if (wish.kind === 'document')
      return {
        status: 200,
        body: JSON.stringify(emptyDocument({ url: baseUrl + wish.base, description: told })),
      };
  }
  return {
    status: statusOf(error),
    body: JSON.stringify({ detail: detailOf(error, call.principal, wish.path.name) }),
    ...(error.code === 'method_not_allowed' && { headers: { Allow: methodOf(wish) } }),
  };
}

const backend = { upstream_unreachable: 502, upstream_broken: 502, upstream_refused: 502, upstream_timeout: 504 };
const isBackend = (code: string): code is keyof typeof backend => code in backend;

function statusOf(error: GatehouseError): number {
  if (error.code === 'not_enabled') return 503;
  if (isBackend(error.code)) return relayedStatus(error) ?? backend[error.code];
  return error.row.http < 400 ? 422 : error.row.http;
}

/** Of a server that answered by HTTP alone. What it thinks of the gateway's credential is none of the caller's. */
function relayedStatus({ cause }: GatehouseError): number | undefined {
  const [, text] = /^status ([45]\d\d)\b/.exec(cause instanceof Error ? cause.message : '') ?? [];
  return text === undefined || ['401', '403', '407'].includes(text) ? undefined : Number(text);
}

function detailOf(error: GatehouseError, principal: Principal | undefined, server: string | undefined): string {
  const { code, message } = error;
  if (code === 'no_token') return 'Authentication required';
  if (isBackend(code)) return `Backend error: ${message}`;
  if (server === undefined) return message;
  if (code === 'not_member' || code === 'role_denied' || code === 'forbidden' || code === 'policy_denied')
    return `User ${nameOf(principal)} does not have access to server '${server}'`;
  if (code === 'unknown_endpoint') return `Server '${server}' not found`;
  return code === 'not_enabled' ? `Server '${server}' is disabled` : message;
}

function nameOf(principal: Principal | undefined): string {
  if (principal?.kind === 'api-key') return principal.name;
  return principal?.email ?? principal?.subject ?? 'unknown';
}
