/** Pages without a question: what went wrong, what went well, and where to go on. */
import { escapeHtml, htmlPage } from '#http/page.ts';
import type { Notice } from './texts.ts';

export function noticePage({ title, text }: Notice): string {
  const main = `<p class="state warn">Gatehouse</p>\n<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(text)}</p>`;
  return htmlPage({ title, main, narrow: true });
}

export function donePage(title: string, text: string): string {
  const main = `<p class="state">Gatehouse</p>\n<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(text)}</p>`;
  return htmlPage({ title, main, narrow: true });
}

/** A code for people to carry over themselves (REQUIREMENTS S1.12). */
export function codePage(code: string): string {
  const main = `<p class="state">Gatehouse</p>
<h1>Copy this code</h1>
<p>Paste it into the application that you started from, and give it to nobody. It is good for a minute, once.</p>
<h2>Code</h2>
<pre>${escapeHtml(code)}</pre>`;
  return htmlPage({ title: 'Copy this code', main, narrow: true });
}

/**
 * A page between our form and where the browser goes on: a redirect would be held to the form's policy, and to that of
 * every hop after it (SECURITY 3.9). Apps with a scheme of their own open from here too, so it stays readable.
 */
export function onwardPage(url: string): string {
  const main = `<p class="state">Gatehouse</p>
<h1>One moment</h1>
<p>You are on your way. If nothing happens, go on yourself; once your application has answered, close this page.</p>
<a class="button main" href="${escapeHtml(url)}">Continue</a>`;
  return htmlPage({ title: 'One moment', main, next: url, narrow: true });
}
