/** What people see where a sign-in can't go on and nobody is safe to send them back to (RFC 6749 4.1.2.1). */
import type { ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import { escapeHtml, htmlPage, pageHeaders } from '#http/page.ts';

const advice: Readonly<Record<string, string>> = {
  invalid_client:
    'The application that sent you here is not known. It may have to register again: remove it there and add it once more.',
  invalid_redirect_uri: 'The application asked to be called back at an address that it did not register.',
  session_not_found:
    'This sign-in has expired, or was begun in another browser. Go back to the application and start again.',
  server_error: 'Something went wrong on our side. Try again in a minute.',
};

export function renderError(ctx: KoaContextWithOIDC, out: ErrorOut): void {
  const { error } = out;
  const description = error === 'server_error' ? undefined : out.error_description;
  const known = Object.hasOwn(advice, error) ? advice[error] : undefined;
  for (const [name, value] of Object.entries(pageHeaders)) ctx.set(name, value);
  ctx.type = 'html';
  ctx.body = htmlPage({
    title: 'Sign-in failed',
    main: [
      '<p class="state warn">Sign-in failed</p>',
      '<h1>You cannot be signed in</h1>',
      `<p>${escapeHtml(known ?? 'The application that sent you here asked for something that is not possible.')}</p>`,
      `<p>Code: <code>${escapeHtml(error)}</code>${description ? `<br>${escapeHtml(description)}` : ''}</p>`,
    ].join('\n'),
    narrow: true,
  });
}
