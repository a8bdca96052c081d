/** What somebody is told who has no account of their own at a server, and where the way to one begins. */
import { GatehouseError } from '#core/error.ts';
import { parseJsonObject, stringIn } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';
import type { AccountHolder, AccountNeeded } from '#records/upstream-accounts.ts';

export interface LinkDeps {
  /** No trailing slash; undefined: nobody can sign in here with a browser. */
  readonly pagesAt: string | undefined;
  readonly sealer: Sealer;
  readonly now: () => number;
}

const TICKET = 'connect-ticket';
const TICKET_MS = 3_600_000;

/** Who was asked to link what: nobody else may follow the link (SECURITY A3). It lets nobody in. */
export interface Ticket {
  readonly user: string;
  readonly org: string;
  readonly server: string;
}

export function linkFor(holder: AccountHolder, { pagesAt, sealer, now }: LinkDeps): string | undefined {
  const { organization, server, userId } = holder;
  if (pagesAt === undefined || userId === undefined) return undefined;
  const ticket = { user: userId, org: organization.id, server: server.id, until: now() + TICKET_MS };
  return `${pagesAt}/connect/${organization.slug}/${server.key}?for=${sealer.seal(TICKET, JSON.stringify(ticket))}`;
}

/** undefined: none of ours, or too old. */
export function openTicket(text: string, { sealer, now }: Omit<LinkDeps, 'pagesAt'>): Ticket | undefined {
  const opened = sealer.open(TICKET, text);
  if (opened === undefined) return undefined;
  const ticket = parseJsonObject(opened);
  const [user, org, server] = [stringIn(ticket, 'user'), stringIn(ticket, 'org'), stringIn(ticket, 'server')];
  const isGood = typeof ticket.until === 'number' && ticket.until > now();
  return isGood && user !== undefined && org !== undefined && server !== undefined ? { user, org, server } : undefined;
}

const texts: Readonly<Record<AccountNeeded['reason'], (title: string) => string>> = {
  missing: (title) => `Connect your account at ${title} to use this`,
  failed: (title) => `The connection to your account at ${title} no longer works: connect it again`,
  scopes: (title) => `${title} wants a permission for this that you have not given yet: connect your account again`,
  refused: (title) => `The sign-in that guards ${title} does not accept you: ask your administrator`,
  nobody: (title) =>
    `${title} is used with each person's own account, and an API key or a program acts for nobody: sign in as a person`,
};

export function accountRequired(
  holder: AccountHolder,
  reason: AccountNeeded['reason'],
  deps: LinkDeps,
): GatehouseError {
  const { title, key } = holder.server;
  const url = reason === 'nobody' || reason === 'refused' ? undefined : linkFor(holder, deps);
  const text = texts[reason](title);
  const data: AccountNeeded = { org: holder.organization.id, server: key, title, url, reason };
  return new GatehouseError('account_required', { message: url === undefined ? text : `${text}: ${url}`, data });
}
