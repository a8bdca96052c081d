/** The page that says the gateway runs, and how to go on from here. */
import { copyable, escapeHtml, htmlPage, pageHeaders } from '#http/page.ts';

export interface Welcome {
  readonly baseUrl: string;
  readonly version: string;
  readonly demo: boolean;
  /** People sign in with an identity provider: clients need no key. */
  readonly signIn: boolean;
}

export function welcomePage(about: Welcome): { readonly html: string; readonly headers: typeof pageHeaders } {
  const { baseUrl, version, demo, signIn } = about;
  const endpoint = demo ? `${baseUrl}/mcp` : `${baseUrl}/{organization}/mcp/{collection}`;
  const add = `claude mcp add --transport http --scope user gatehouse ${endpoint}`;
  const header = `--header "Authorization: Bearer YOUR_KEY"`;
  const org = demo ? 'demo' : '{organization}';
  const main = [
    '<p class="state">Setup complete</p>',
    '<h1>Gatehouse is running</h1>',
    '<p>One door to every MCP server your organization uses. Add an address below to your MCP client; click a line to select it.</p>',
    copyable('MCP address', endpoint),
    copyable(
      signIn ? 'Connect Claude Code: it signs you in' : 'Connect Claude Code',
      signIn ? add : `${add} ${header}`,
    ),
    copyable(
      signIn ? 'An API key, for what cannot sign in' : 'Make an API key, where the gateway runs',
      `npx mcp-gatehouse key create --org ${org} --name laptop`,
    ),
    `<p><a href="${escapeHtml(baseUrl)}/mcp-admin">Administer it in the portal</a> · <a href="${escapeHtml(baseUrl)}/me">My tools</a></p>`,
    ...(demo
      ? [
          copyable(
            'Make a call from the command line',
            'npx mcp-gatehouse call demo/time get_current_time \'{"timezone":"UTC"}\'',
          ),
        ]
      : []),
    `<footer>Gatehouse ${escapeHtml(version)}${demo ? ', demo mode: it listens on this machine only and keeps its data here' : ''}</footer>`,
  ];
  return { html: htmlPage({ title: 'Gatehouse: setup complete', main: main.join('\n') }), headers: pageHeaders };
}
