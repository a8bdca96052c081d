/** The admin API as a page to read, made from the contract: no script, nothing from elsewhere. */
import { escapeHtml, htmlPage } from '#http/page.ts';
import { type AdminRoute, adminBase, contract, hasBody } from './contract.ts';
import { nounOf, partsOf, schemaOf } from './openapi.ts';
import { exampleOf, type Schema } from './openapi-examples.ts';

/** `baseUrl`: as whoever asks reaches the gateway. */
export function openApiPage(baseUrl: string): string {
  const routes = Object.entries<AdminRoute>(contract);
  const nouns = Map.groupBy(routes, ([, route]) => nounOf(route));
  const sorted = [...nouns].sort(([a], [b]) => (a < b ? -1 : 1));
  const index = sorted.map(([noun]) => `<a href="#${escapeHtml(noun)}">${escapeHtml(noun)}</a>`).join(' · ');
  const main = `<p class="state">Admin API</p>
<h1>Routes of this gateway</h1>
<p>JSON in, JSON out below <code>${adminBase}</code>. Refusals are problem details (RFC 9457) with a code. The same as
<a href="${adminBase}/openapi.json">OpenAPI 3.1</a>. Lists answer <code>items</code> and <code>next</code>: give it back as
<code>cursor</code>. A change may carry <code>If-Match</code>, a POST an <code>Idempotency-Key</code>.</p>
<p>${index}</p>
${sorted.map(([noun, own]) => `<h2 id="${escapeHtml(noun)}">${escapeHtml(noun)}</h2>\n${own.map((each) => section(each, baseUrl)).join('\n')}`).join('\n')}`;
  return htmlPage({ title: 'Admin API', main });
}

function section([name, route]: [string, AdminRoute], baseUrl: string): string {
  const { inPath, rest } = partsOf(route);
  const input = schemaOf(rest, 'input');
  const fields = [
    ...inPath.map((field) => row(field, 'in the path', '')),
    ...Object.entries(input.properties ?? {}).map(([field, schema]) => fieldRow(field, schema, input)),
  ];
  const answer = JSON.stringify(exampleOf(schemaOf(route.output, 'output')), undefined, 2);
  return `<details><summary><code>${escapeHtml(`${route.method} ${route.path}`)}</code> ${escapeHtml(route.summary)}</summary>
<p>Operation <code>${name}</code>, permission <code>${escapeHtml(route.permission)}</code>, ${
    route.scope === 'platform' ? 'for administrators of the gateway' : 'for administrators of the organization'
  }, audited as <code>${escapeHtml(route.audit)}</code>.</p>
${fields.length === 0 ? '' : `<dl>${fields.join('')}</dl>`}
<pre>${escapeHtml(curlOf(route, input, baseUrl))}</pre>
<p>Answers ${route.status}, such as</p>
<pre>${escapeHtml(answer)}</pre>
</details>`;
}

function fieldRow(field: string, schema: Schema, { required = [] }: Schema): string {
  const kind = schema.enum?.map(String).join(' | ') ?? String(schema.type ?? 'one of several');
  return row(field, `${kind}${required.includes(field) ? ', required' : ''}`, schema.description ?? '');
}

const row = (field: string, kind: string, description: string): string =>
  `<div><dt><code>${escapeHtml(field)}</code> ${escapeHtml(kind)}</dt><dd>${escapeHtml(description)}</dd></div>`;

/** One click selects all of it. */
function curlOf(route: AdminRoute, input: Schema, baseUrl: string): string {
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => {
    const schema = route.input.shape[name];
    return encodeURIComponent(String(schema ? exampleOf(schemaOf(schema as never, 'input'), name) : name));
  });
  const lines = [`curl -X ${route.method} ${baseUrl}${adminBase}${path}`, '-H "Authorization: Bearer $GATEHOUSE_KEY"'];
  if (hasBody(route.method)) {
    const body = JSON.stringify(exampleOf(input)).replaceAll("'", "'\\''");
    lines.push("-H 'Content-Type: application/json'", `-d '${body}'`);
  }
  return lines.join(' \\\n  ');
}
