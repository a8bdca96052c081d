/** What a person sees who opens an MCP address in a browser without a token. Says nothing of what exists. */
import { asksForPage, copyable, escapeHtml, htmlPage, pageHeaders } from '#http/page.ts';
import type { Call } from './call.ts';
import { targetOf } from './entrance.ts';

/** Clients that read JSON or event streams never list HTML, or list it beside them. */
export function isBrowser({ req }: Call): boolean {
  return req.method === 'GET' && asksForPage(req.headers.accept);
}

export function signInPage(call: Call, { baseUrl, oauth }: { readonly baseUrl: string; readonly oauth: boolean }) {
  const url = call.entrance.baseUrl + targetOf(call);
  const key = '--header "Authorization: Bearer YOUR_KEY"';
  const add = `claude mcp add --transport http gatehouse ${url}`;
  const headers = { Authorization: 'Bearer YOUR_KEY' };
  const code = { name: 'gatehouse', type: 'http', url, ...(oauth ? {} : { headers }) };
  const main = [
    '<p class="state warn">Not signed in</p>',
    '<h1>This is an address for MCP clients</h1>',
    `<p>Browsers have nothing to see here: add it to an assistant or editor that speaks the Model Context Protocol. ${
      oauth ? 'The client then opens a page where you sign in.' : 'It needs an API key, which your administrator makes.'
    } Click a line to select it.</p>`,
    copyable('Address', url),
    copyable('Claude Code', oauth ? add : `${add} ${key}`),
    copyable('VS Code', `code --add-mcp '${JSON.stringify(code)}'`),
    `<footer>401: no token provided. <a href="${escapeHtml(baseUrl)}/welcome">About this gateway</a></footer>`,
  ];
  return { html: htmlPage({ title: 'Gatehouse: an MCP address', main: main.join('\n') }), headers: pageHeaders };
}
