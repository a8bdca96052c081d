/** What a person sees of linking accounts. Whatever varies has gone through `escapeHtml`. */
import { escapeHtml, htmlPage } from '#http/page.ts';
import type { ConnectedAccount } from '#records/connected-accounts.ts';

export const notices = {
  wrong_person: {
    status: 403,
    title: 'This link is for somebody else',
    text: 'It was made for another person than the one who is signed in here. Nothing was connected. Ask your own application for a link.',
  },
  expired: {
    status: 400,
    title: 'This link is over',
    text: 'It is too old, was used already, or was begun in another browser. Go back to your application and start again from there.',
  },
  not_here: {
    status: 403,
    title: 'There is nothing to connect here',
    text: 'There is no such server, it is not used with accounts of people, or you may not use it.',
  },
  refused: {
    status: 403,
    title: 'Nothing was connected',
    text: 'The access was not allowed at the other side. You can try again whenever you want.',
  },
  unusable: {
    status: 502,
    title: 'Nothing was connected',
    text: 'The other side gave no usable answer. Try again in a while; if it stays so, tell your administrator.',
  },
  refused_form: {
    status: 403,
    title: 'This form was not sent from our page',
    text: 'It may have been sent by another site, or cookies are switched off. Open the page again.',
  },
  unavailable: {
    status: 503,
    title: 'The sign-in of this server cannot be reached',
    text: 'Its authorization server does not answer, or says something of itself that cannot be trusted. Try again in a while; if it stays so, tell your administrator.',
  },
} as const;

export type NoticeKey = keyof typeof notices;

export function noticePage({ title, text }: { readonly title: string; readonly text: string }): string {
  const main = `<p class="state warn">Gatehouse</p>\n<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(text)}</p>`;
  return htmlPage({ title, main, narrow: true });
}

interface ConnectPage {
  readonly title: string;
  readonly organization: string;
  readonly person: string;
  readonly host: string;
  readonly account: ConnectedAccount | undefined;
  readonly csrf: string;
  /** Of the link that led here. */
  readonly ticket: string | undefined;
  readonly action: string;
  readonly back: string;
}

export function connectPage(page: ConnectPage): string {
  const { title, account, host } = page;
  const heading = account?.state === 'failed' ? `Connect ${title} again` : account ? title : `Connect ${title}`;
  const state =
    account === undefined || account.state === 'failed'
      ? `<p>${account ? 'The connection no longer works. ' : ''}Your calls of ${escapeHtml(title)} will be made with your own account there, and with nobody else's.</p>`
      : `<p>Your account is connected: calls of ${escapeHtml(title)} are made with it. You may close this page.</p>`;
  const hidden = page.ticket === undefined ? '' : `<input type="hidden" name="for" value="${escapeHtml(page.ticket)}">`;
  const disconnect = account
    ? '<button name="do" value="disconnect">Disconnect</button>'
    : `<p class="foot"><a href="${escapeHtml(page.back)}">Not now</a></p>`;
  const button = account && account.state !== 'failed' ? '' : 'class="main" ';
  const main = `<p class="state${account?.state === 'failed' ? ' warn' : ''}">Gatehouse</p>
<h1><bdi>${escapeHtml(heading)}</bdi></h1>
${state}
<dl>
<div><dt>You</dt><dd><bdi>${escapeHtml(page.person)}</bdi></dd></div>
<div><dt>Organization</dt><dd><bdi>${escapeHtml(page.organization)}</bdi></dd></div>
<div><dt>You sign in at</dt><dd><bdi>${escapeHtml(host)}</bdi></dd></div>
</dl>
<form method="post" action="${escapeHtml(page.action)}">
<input type="hidden" name="csrf" value="${escapeHtml(page.csrf)}">${hidden}
<button ${button}name="do" value="connect">${account ? 'Connect again' : 'Connect'}</button>
${disconnect}
</form>`;
  return htmlPage({ title: heading, main, narrow: true });
}

interface ListPage {
  readonly organization: string;
  readonly rows: readonly {
    readonly title: string;
    readonly url: string;
    readonly account: Pick<ConnectedAccount, 'state'> | undefined;
  }[];
}

const words = { ok: 'connected', expiring: 'connected, is being renewed', failed: 'no longer works' } as const;

export function listPage({ organization, rows }: ListPage): string {
  const items = rows.map(
    ({ title, url, account }) =>
      `<div><dt><bdi>${escapeHtml(title)}</bdi></dt><dd>${account ? words[account.state] : 'not connected'} · <a href="${escapeHtml(url)}">${account?.state === 'ok' ? 'Change' : 'Connect'}</a></dd></div>`,
  );
  const list =
    items.length > 0 ? `<dl>${items.join('\n')}</dl>` : '<p>No server here is used with accounts of people.</p>';
  const main = `<p class="state">Gatehouse</p>\n<h1>Your accounts</h1>\n<p>Servers of <bdi>${escapeHtml(organization)}</bdi> that are used with an account of your own.</p>\n${list}`;
  return htmlPage({ title: 'Your accounts', main, narrow: true });
}
