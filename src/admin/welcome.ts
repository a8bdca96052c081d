/** The page that says the gateway runs. No script, no outside request, one style block that the policy names by its hash. */
import { createHash } from 'node:crypto';

export interface Welcome {
  readonly baseUrl: string;
  readonly version: string;
  readonly demo: boolean;
}

const style = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5a6675;--line:#dfe4ea;--accent:#1c7c54;--code:#f0f3f6}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2029;--ink:#e8edf3;--soft:#9aa7b6;--line:#2b3440;--accent:#4cc38a;--code:#11161d}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{width:100%;max-width:640px;padding:36px;background:var(--card);border:1px solid var(--line);border-radius:14px}
.ok{display:inline-flex;align-items:center;gap:8px;margin:0;color:var(--accent);font-weight:600}
.ok::before{content:"";width:10px;height:10px;border-radius:50%;background:currentColor}
h1{margin:10px 0 4px;font-size:28px;line-height:1.2}
h2{margin:28px 0 8px;font-size:16px}
p{margin:0 0 10px;color:var(--soft)}
pre{margin:0;padding:12px 14px;background:var(--code);border:1px solid var(--line);border-radius:8px;overflow-x:auto;font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
footer{margin-top:28px;padding-top:14px;border-top:1px solid var(--line);font-size:13px;color:var(--soft)}
`;

const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** SECURITY.md 3.9. */
const headers = {
  'content-security-policy': policy,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'cache-control': 'no-store',
} as const;

export function welcomePage({ baseUrl, version, demo }: Welcome): {
  readonly html: string;
  readonly headers: typeof headers;
} {
  const base = escapeHtml(baseUrl);
  const endpoint = demo ? `${base}/demo/mcp/time` : `${base}/{organization}/mcp/{collection}`;
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gatehouse: setup complete</title>
<style>${style}</style>
</head>
<body>
<main>
<p class="ok">Setup complete</p>
<h1>Gatehouse is running</h1>
<p>One door to every MCP server your organization uses.</p>
<h2>MCP address</h2>
<pre>${endpoint}</pre>
<h2>Connect Claude Code</h2>
<pre>claude mcp add --transport http --scope user gatehouse ${endpoint} \\
  --header "Authorization: Bearer YOUR_KEY"</pre>
<h2>Make an API key</h2>
<pre>npx mcp-gatehouse key create${demo ? ' --org demo' : ' --org {organization}'} --name laptop</pre>
<footer>Gatehouse ${escapeHtml(version)}${demo ? ', demo mode: data stays on this machine' : ''}</footer>
</main>
</body>
</html>
`;
  return { html, headers };
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);
}
