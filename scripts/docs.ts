/** Regenerates docs/reference/ from the code. A test fails when a page and the code differ. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtinCatalog } from '#admin/catalog/catalog.ts';
import { commandLine, urlOf } from '#admin/catalog/entry.ts';
import { adminBase, contract } from '#admin/contract.ts';
import { type Setting, settings } from '#config/settings.ts';
import { errorTable } from '#core/error.ts';
import { commandsPage } from '#scripts/docs-commands.ts';
import { filePage } from '#scripts/docs-file.ts';
import { auditPage, metricsPage } from '#scripts/docs-telemetry.ts';
import { made, table } from '#scripts/markdown.ts';

interface Page {
  /** Under docs/reference/. */
  readonly file: string;
  readonly text: string;
}

function errorsPage(): Page {
  const rows = Object.entries(errorTable).map(([code, error]) => {
    const challenge = 'challenge' in error ? error.challenge : '';
    return [`\`${code}\``, error.http, error.rpc, challenge, error.level, error.message];
  });
  const head = ['code', 'HTTP', 'JSON-RPC', 'challenge', 'logged as', 'message'];
  const text = `# Errors

Every refusal has one code. The same code is written differently on each surface: a JSON-RPC error on MCP, \`{error}\`
on a collection's address, \`{error, error_description}\` on OAuth, \`{detail}\` on the REST façade, problem details on the
admin API. What went wrong inside is in the log only, under the request id that the answer carries.

"challenge" is the RFC 6750 error code of the \`WWW-Authenticate\` header; \`none\` means a challenge without a code.

${table(head, rows)}
`;
  return { file: 'errors.md', text: `${made('src/core/error.ts')}\n${text}` };
}

export function configPage(shown: readonly Setting[]): Page {
  const code = (words: readonly string[] | undefined) => (words ?? []).map((word) => `\`${word}\``).join(', ');
  const rows = shown.map((setting) => [
    `\`${setting.name}\``,
    setting.default,
    setting.path === undefined ? '' : `\`${setting.path.join('.')}\``,
    `${setting.meaning}${setting.secret ? ' Secret.' : ''}`,
    code(setting.aliases),
  ]);
  const text = `# Settings

Environment over file over default. What only the file can say: [gatehouse.yaml](gatehouse-yaml.md). \`.env\` in the working directory is read too. Secrets are never written in
\`gatehouse.yaml\`: there they are references, \`\${NAME}\` or \`\${file:/run/secrets/name}\`.

${table(['variable', 'default', 'in gatehouse.yaml', 'meaning', 'also accepted as'], rows)}
`;
  return { file: 'config.md', text: `${made('src/config/settings.ts')}\n${text}` };
}

function adminPage(): Page {
  const rows = Object.entries(contract).map(([name, route]) => [
    `\`${route.method} ${adminBase}${route.path}\``,
    route.summary,
    `\`${name}\``,
    `\`${route.permission}\``,
    `\`${route.audit}\``,
  ]);
  const text = `# Admin API

JSON in, JSON out, errors as problem details (RFC 9457). The gateway serves the OpenAPI document with every schema at
\`${adminBase}/openapi.json\`.

${table(['route', 'what it does', 'operation', 'permission', 'audited as'], rows)}
`;
  return { file: 'admin-api.md', text: `${made('src/admin/contract.ts')}\n${text}` };
}

function catalogPage(): Page {
  const rows = builtinCatalog.map((entry) => {
    const { key, title, transport, auth, variable, urlVariable, documentation, verified } = entry;
    const runs = transport.kind === 'stdio' || transport.kind === 'container' ? commandLine(transport) : undefined;
    const where = runs ?? urlOf(transport) ?? 'its own for every account';
    const header = auth.kind === 'key' ? `${auth.header}: ${auth.template}` : auth.kind;
    const names = [variable, urlVariable].flatMap((name) => (name === undefined ? [] : [`\`${name}\``]));
    const state = verified ? 'yes' : 'no';
    return [
      `\`${key}\``,
      `[${title}](${documentation})`,
      transport.kind,
      `\`${where}\``,
      header,
      names.join(', '),
      state,
    ];
  });
  const head = ['key', 'server', 'kind', 'address or command', 'way in', 'variables', 'looked up'];
  const text = `# Catalogue

Servers that \`gatehouse catalog add\` and variables turn on: [how](../guide/catalog.md). "Looked up": found where the
vendor, or a public registry, publishes it.

${table(head, rows)}
`;
  return { file: 'catalog.md', text: `${made('src/admin/catalog')}\n${text}` };
}

export const renderPages = async (): Promise<readonly Page[]> => [
  errorsPage(),
  configPage(settings),
  filePage(),
  adminPage(),
  catalogPage(),
  commandsPage(),
  auditPage(),
  await metricsPage(),
];

/** Method and path of every route, for the portal: it takes only types from the server's code. */
export function portalRoutes(): string {
  const rows = Object.entries(contract).map(([name, { method, path }]) => `  ${name}: ['${method}', '${path}'],\n`);
  return `/** Generated from the contract of the admin API by \`npm run docs\`: method and path of every route. */
export const routes = {
${rows.join('')}} as const;
`;
}

export const portalRoutesFile = (root: string): string => join(root, 'portal', 'src', 'api', 'routes.ts');

export const referenceFolder = (root: string): string => join(root, 'docs', 'reference');

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  mkdirSync(referenceFolder(root), { recursive: true });
  for (const { file, text } of await renderPages()) {
    writeFileSync(join(referenceFolder(root), file), text);
    process.stdout.write(`docs/reference/${file}\n`);
  }
  writeFileSync(portalRoutesFile(root), portalRoutes());
  process.stdout.write('portal/src/api/routes.ts\n');
}
