/** The look of every page that is written here, not in the portal: no script, no outside request, one style block that the policy names by its hash. */
import { createHash } from 'node:crypto';

const style = `
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#1b2430;--soft:#566272;--line:#dfe4ea;--accent:#1a7450;--fill:#1a7450;--onfill:#fff;--edge:#7c8896;--warn:#8a5100;--code:#f1f4f7}
@media (prefers-color-scheme:dark){:root{--bg:#11151a;--card:#1a2029;--ink:#e8edf3;--soft:#a3b0be;--line:#2c3541;--accent:#4cc38a;--fill:#4cc38a;--onfill:#0b1a13;--edge:#6b7889;--warn:#e3a94b;--code:#10151b}}
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
form{margin:0}
fieldset{margin:0;padding:0;border:0;min-width:0}
label{display:block;margin:14px 0 5px;font-weight:600;font-size:14px}
input{width:100%;padding:11px 12px;border:1px solid var(--edge);border-radius:8px;background:var(--bg);color:var(--ink);font:inherit}
input.code{font:600 22px/1.3 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;letter-spacing:.12em;text-align:center;text-transform:uppercase}
button,a.button{display:block;width:100%;margin-top:12px;padding:12px 16px;border:1px solid var(--edge);border-radius:8px;background:var(--card);color:var(--ink);font:600 16px/1.3 system-ui,-apple-system,"Segoe UI",sans-serif;text-align:center;text-decoration:none;cursor:pointer}
button:hover,a.button:hover{border-color:var(--accent)}
button.main,a.button.main{border-color:var(--fill);background:var(--fill);color:var(--onfill)}
button.link{display:inline;width:auto;margin:0;padding:4px 0;border:0;background:none;color:var(--accent);font:inherit;text-decoration:underline}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
main.narrow{max-width:480px}
h1 bdi,dd bdi{overflow-wrap:anywhere}
dl{margin:20px 0;border:1px solid var(--line);border-radius:10px}
dl div{padding:12px 16px}
dl div+div{border-top:1px solid var(--line)}
dt{font-size:13px;color:var(--soft)}
dd{margin:2px 0 0;font-weight:600}
dd ul{margin:4px 0 0;padding-left:20px;font-weight:400}
.note{margin:14px 0;padding:12px 14px;border:1px solid var(--line);border-left:4px solid var(--warn);border-radius:8px;color:var(--ink);background:var(--code)}
.note strong{color:var(--warn)}
.or{margin:18px 0 4px;text-align:center;font-size:14px}
.foot{margin:18px 0 0;font-size:14px}
footer{margin-top:30px;padding-top:14px;border-top:1px solid var(--line);font-size:13px;color:var(--soft)}
@media (max-width:520px){body{padding:0;place-items:start stretch;background:var(--card)}main{padding:24px 20px;border:0;border-radius:0}h1{font-size:24px}}
`;

const policyWith = (formAction: "'none'" | "'self'") =>
  [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    `form-action ${formAction}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');

/** SECURITY.md 3.9. */
export const pageHeaders = {
  'Content-Security-Policy': policyWith("'none'"),
  'X-Frame-Options': 'DENY',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Cache-Control': 'no-store',
} as const;

/**
 * Of pages with a form. The referrer stays inside: with none at all browsers send `Origin: null` with the form. Its answer
 * never leads elsewhere by itself, since Chromium holds `form-action` against every redirect that follows.
 */
export const formHeaders = {
  ...pageHeaders,
  'Content-Security-Policy': policyWith("'self'"),
  'Referrer-Policy': 'same-origin',
} as const;

export interface Page {
  /** As text. */
  readonly title: string;
  /** As HTML: whatever varies in it has gone through `escapeHtml`. */
  readonly main: string;
  /** Where the browser goes on to by itself. */
  readonly next?: string;
  readonly narrow?: boolean;
}

export function htmlPage({ title, main, next, narrow }: Page): string {
  const refresh = next === undefined ? '' : `\n<meta http-equiv="refresh" content="0;url=${escapeHtml(next)}">`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>${refresh}
<style>${style}</style>
</head>
<body>
<main${narrow ? ' class="narrow"' : ''}>
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

/** A browser that was pointed here, and no program: by its `Accept` header. */
export const asksForPage = (accept = ''): boolean =>
  /\btext\/html\b/i.test(accept) && !/\b(?:json|event-stream)\b/i.test(accept);

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
