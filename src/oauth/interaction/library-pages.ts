/** The pages that oidc-provider serves itself, in our look: a device's code (RFC 8628 3.3), and signing out. */
import type { Client, Configuration, ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { escapeHtml, formHeaders, htmlPage, pageHeaders } from '#http/page.ts';
import { clientHost, plainName } from './asked.ts';
import { donePage, noticePage } from './notice-page.ts';
import { notices } from './texts.ts';

type Features = NonNullable<Configuration['features']>;

/** A code that came in the address: put into the field, for the person to compare and to send. */
export const givenCode = 'givenCode';

export const devicePages: NonNullable<Features['deviceFlow']> = {
  userCodeInputSource: (ctx, _form, out, error) => codePage(ctx, out, error),
  userCodeConfirmSource: (ctx, _form, client, _deviceInfo, userCode) => confirmPage(ctx, client, userCode),
  successSource: (ctx) =>
    show(ctx, pageHeaders, donePage('Your device is connected', 'It goes on by itself. You may close this page.')),
};

export const signOutPages: NonNullable<Features['rpInitiatedLogout']> = {
  logoutSource: (ctx) => signOutPage(ctx),
  postLogoutSuccessSource: (ctx) =>
    show(ctx, pageHeaders, donePage('You are signed out here', 'You may close this page.')),
};

/** By the names of the library's errors; whatever else went wrong is no business of the person's. */
const troubles: Readonly<Record<string, string>> = {
  NotFoundError: 'There is no such code: compare it with the one your device shows.',
  ExpiredError: 'This code has expired: let your device show a new one.',
  AlreadyUsedError: 'This code was used already: let your device show a new one.',
  NoCodeError: 'Type the code that your device shows.',
};

function codePage(ctx: KoaContextWithOIDC, out?: ErrorOut, error?: Error): void {
  if (error?.name === 'AbortedError') {
    show(ctx, pageHeaders, donePage('The device was not connected', 'You refused it. You may close this page.'));
    return;
  }
  const { session } = ctx.oidc;
  if (out && session && session.exp === undefined) {
    // A form, or a way back, of no session: there is none either to keep the next form's secret in.
    Object.assign(session, { touched: false });
    const isForm = ctx.method === 'POST';
    ctx.status = isForm ? notices.refused_form.status : notices.expired.status;
    show(ctx, pageHeaders, noticePage(isForm ? notices.refused_form : notices.expired));
    return;
  }
  const trouble = (error && troubles[error.name]) ?? (out ? 'That did not work: try again.' : undefined);
  const given: unknown = ctx.state[givenCode];
  const value = typeof given === 'string' ? ` value="${escapeHtml(given)}"` : '';
  const invalid = trouble === undefined ? '' : ' aria-invalid="true" aria-describedby="trouble"';
  const alert = `<p class="note" role="alert" id="trouble"><strong>${escapeHtml(trouble ?? '')}</strong></p>\n`;
  const main = `<p class="state">Gatehouse</p>
${trouble === undefined ? '' : alert}<h1>Connect a device</h1>
<p>Type the code that your device shows. Nobody should send you one: if somebody did, close this page.</p>
${form(
  ctx,
  `<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" required maxlength="20" autocomplete="off" autocapitalize="characters" spellcheck="false"${value}${invalid}>
<button class="main" type="submit">Continue</button>`,
)}`;
  show(ctx, formHeaders, htmlPage({ title: 'Connect a device', main, narrow: true }));
}

function confirmPage(ctx: KoaContextWithOIDC, client: Client, userCode: string): void {
  const name = plainName(client.clientName) ?? clientHost(client.clientId) ?? 'An application without a name';
  const main = `<p class="state">Gatehouse</p>
<h1>Is this your device?</h1>
<dl><div><dt>It calls itself</dt><dd><bdi>${escapeHtml(name)}</bdi></dd></div>
<div><dt>It shows the code</dt><dd>${escapeHtml(userCode)}</dd></div></dl>
<p class="note"><strong>Compare the code.</strong> Go on only if the device is in front of you and shows exactly this. What it asks for comes next.</p>
${form(
  ctx,
  `<input type="hidden" name="user_code" value="${escapeHtml(userCode)}">
<button class="main" type="submit" name="confirm" value="yes">Yes, continue</button>
<button type="submit" name="abort" value="yes">No, refuse it</button>`,
)}`;
  show(ctx, formHeaders, htmlPage({ title: 'Is this your device?', main, narrow: true }));
}

export function signOutPage(ctx: KoaContextWithOIDC): void {
  const signedIn = ctx.oidc.session?.accountId !== undefined;
  const stay = signedIn ? '\n<button type="submit">Stay signed in</button>' : '';
  const main = `<p class="state">Gatehouse</p>
<h1>${signedIn ? 'Sign out?' : 'You are signed out'}</h1>
<p>${signedIn ? 'Applications that you connected stay connected; this browser forgets you.' : 'There is nothing left to end here.'}</p>
${form(ctx, `<button class="main" type="submit" name="logout" value="yes">${signedIn ? 'Sign out' : 'Continue'}</button>${stay}`, '/session/end/confirm')}`;
  show(ctx, formHeaders, htmlPage({ title: 'Sign out', main, narrow: true }));
}

function form({ oidc }: KoaContextWithOIDC, inside: string, path = '/device'): string {
  const base = new URL(oidc.provider.issuer).pathname.replace(/\/$/, '');
  const secret = String(oidc.session?.state?.secret ?? '');
  return `<form method="post" action="${escapeHtml(base + path)}" autocomplete="off">
<input type="hidden" name="xsrf" value="${escapeHtml(secret)}">
${inside}
</form>`;
}

function show(ctx: KoaContextWithOIDC, headers: Readonly<Record<string, string>>, html: string): void {
  ctx.set({ ...headers });
  ctx.type = 'html';
  ctx.body = html;
}
