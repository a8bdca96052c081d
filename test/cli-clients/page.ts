/** docs/reference/cli-clients.md, from what a run showed. */
import { row } from '#scripts/markdown.ts';
import type { Shown } from './attempt.ts';
import type { CliClient } from './client.ts';
import { kinds } from './world.ts';

export interface Finding {
  readonly client: CliClient;
  /** In the order of `kinds`. */
  readonly outcomes: readonly (
    | { readonly shown: Shown }
    | { readonly skipped: string }
    | { readonly failed: string }
  )[];
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

export function renderPage(findings: readonly Finding[]): string {
  const blocks = kinds.map(({ title }, index) => {
    const rows = findings.map(({ client, outcomes }) => outcomeRow(client, outcomes[index]));
    return `## A gateway ${title}\n\n${table(head, rows)}`;
  });
  const skipped = findings.flatMap(({ client }) => client.skipped.map((what) => `- ${client.name}: skipped: ${what}`));
  return `<!-- Made by \`npm run test:cli-clients\`: from its last whole run. -->

# Command-line clients

The real programs from npm, signed in by their own commands with nothing but a URL; a script stands in for the person at
the browser. "ok" means: the client says that it is connected, and the gateway's audit has \`initialize\` and \`tools/list\`
of the person who signed in, answered with 200. How to set each one up: [connect a client](../guide/connect-a-client.md).

${blocks.join('\n\n')}

## Not shown

${skipped.join('\n')}
`;
}

const head = [
  'client',
  'result',
  'it says',
  'became known by',
  'redirect URI',
  'scopes asked',
  'resource',
  'refreshed',
  'MCP',
  'user agent',
];

function outcomeRow({ name, version }: CliClient, outcome: Finding['outcomes'][number] | undefined): readonly string[] {
  const title = `${name} ${version}`;
  if (outcome === undefined) return [title, 'skipped: not tried'];
  if ('skipped' in outcome) return [title, `skipped: ${outcome.skipped}`];
  if ('failed' in outcome) return [title, `FAILED: ${outcome.failed.split('\n')[0]}`];
  const { shown } = outcome;
  return [
    title,
    'ok',
    `\`${shown.said}\``,
    shown.registration,
    `\`${shown.redirectUri}\``,
    `\`${shown.scope}\``,
    shown.sendsResource ? 'sent' : 'not sent',
    shown.refreshes > 0 ? 'yes' : 'no',
    shown.protocolVersion,
    `\`${shown.userAgent}\``,
  ];
}
