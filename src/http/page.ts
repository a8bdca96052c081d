/** The look of every page that is written here, not in the portal: no script, no outside request, one style block that the policy names by its hash. */
import { createHash } from 'node:crypto';

const style = `
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#1b2430;--soft:#566272;--line:#dfe4ea;--accent:#1a7450;--warn:#9a5b00;--code:#f1f4f7}
@media (prefers-color-scheme:dark){:root{--bg:#11151a;--card:#1a2029;--ink:#e8edf3;--soft:#a3b0be;--line:#2c3541;--accent:#4cc38a;--warn:#e3a94b;--code:#10151b}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
main{width:100%;min-width:0;max-width:720px;padding:40px;background:var(--card);border:1px solid var(--line);border-radius:14px}
.state{display:inline-flex;align-items:center;gap:9px;margin:0;color:var(--accent);font-weight:600}
.state::before{content:"";width:10px;height:10px;border-radius:50%;background:currentColor}
.state.warn{color:var(--warn)}
h1{margin:10px 0 6px;font-size:28px;line-height:1.2}
h2{margin:26px 0 8px;font-size:15px}
p{margin:0 0 10px;color:var(--soft)}
a{color:var(--accent)}
pre{margin:0;padding:12px 14px;background:var(--code);border:1px solid var(--line);border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all;-webkit-user-select:all;font:13px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
footer{margin-top:30px;padding-top:14px;border-top:1px solid var(--line);font-size:13px;color:var(--soft)}
@media (max-width:520px){body{padding:0;place-items:start stretch;background:var(--card)}main{padding:24px 20px;border:0;border-radius:0}h1{font-size:24px}}
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
export const pageHeaders = {
  'Content-Security-Policy': policy,
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Cache-Control': 'no-store',
} as const;

/** `title` as text, `main` as HTML: whatever varies in it has gone through `escapeHtml`. */
export function htmlPage({ title, main }: { readonly title: string; readonly main: string }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`;
}

/** A heading and a line to copy: one click selects all of it. */
export function copyable(heading: string, line: string): string {
  return `<h2>${escapeHtml(heading)}</h2>\n<pre>${escapeHtml(line)}</pre>`;
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
