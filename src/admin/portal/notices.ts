/** What a browser sees at the portal's door when there is no portal to show. */
import { copyable, escapeHtml, htmlPage } from '#http/page.ts';

export interface Notice {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  readonly lines?: readonly (readonly [heading: string, line: string])[];
  readonly link?: { readonly href: string; readonly text: string };
}

export function noticeHtml({ title, text, lines = [], link, status }: Notice): string {
  const main = [
    `<p class="state${status < 400 ? '' : ' warn'}">Gatehouse</p>`,
    `<h1>${escapeHtml(title)}</h1>`,
    `<p>${escapeHtml(text)}</p>`,
    ...lines.map(([heading, line]) => copyable(heading, line)),
    ...(link ? [`<a class="button main" href="${escapeHtml(link.href)}">${escapeHtml(link.text)}</a>`] : []),
  ];
  return htmlPage({ title, main: main.join('\n'), narrow: true });
}

/** `base`: path of the gateway in the browser, no trailing slash. */
export const notices = {
  notBuilt: (): Notice => ({
    status: 503,
    title: 'The portal is not built yet',
    text: 'The gateway runs; its pages for people have to be made once. The command line does everything meanwhile.',
    lines: [['In the folder of the clone', 'npm run build:portal']],
  }),
  noAdministrator: (base: string): Notice => ({
    status: 403,
    title: 'These pages are for administrators',
    text: 'You are signed in, and administer nothing here. What you can use is on a page of your own.',
    link: { href: `${base}/me`, text: 'My tools' },
  }),
  noSignIn: (): Notice => ({
    status: 403,
    title: 'Nobody signs in here with a browser yet',
    text: 'No identity provider and no local account is configured for signing in. Whoever runs the gateway gets in by a link that works once.',
    lines: [['Where the gateway runs', 'gatehouse admin link']],
  }),
  linkOver: (base: string): Notice => ({
    status: 403,
    title: 'This link is over',
    text: 'It works once, for ten minutes. Make another one where the gateway runs.',
    lines: [['Where the gateway runs', 'gatehouse admin link']],
    link: { href: `${base}/mcp-admin/sign-in`, text: 'Sign in instead' },
  }),
  signInOver: (base: string): Notice => ({
    status: 403,
    title: 'The sign-in did not succeed',
    text: 'It was refused, took too long, or was not begun in this browser.',
    link: { href: `${base}/mcp-admin/sign-in`, text: 'Sign in again' },
  }),
  signedOut: (base: string): Notice => ({
    status: 200,
    title: 'You are signed out',
    text: 'Of the portal and of the sign-in of this gateway, in this browser. Your identity provider may still know you.',
    link: { href: `${base}/mcp-admin/sign-in`, text: 'Sign in' },
  }),
} as const;
