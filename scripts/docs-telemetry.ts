/** docs/reference/metrics.md and audit-events.md: what is counted, and what is on record. */
import { contract } from '#admin/contract.ts';
import { openMetrics } from '#gateway/metrics.ts';
import { made, table } from '#scripts/markdown.ts';

interface Made {
  readonly file: string;
  readonly text: string;
}

export async function metricsPage(): Promise<Made> {
  const metrics = openMetrics();
  const text = await metrics.text();
  const rows = [...text.matchAll(/^# HELP (gatehouse_\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(([, name, help, type]) => [
    `\`${name}\``,
    type,
    help,
  ]);
  const page = `# Metrics

In the text format of Prometheus, and as OpenTelemetry: [telemetry](../guide/telemetry.md). Beside these there are those of
the process (\`process_*\`, \`nodejs_*\`). No label has a value that a caller chooses.

${table(['metric', 'kind', 'what it counts'], rows)}
`;
  return { file: 'metrics.md', text: `${made('src/gateway/metrics.ts')}\n${page}` };
}

export function auditPage(): Made {
  const byAction = new Map<string, string>();
  for (const { audit, summary } of Object.values(contract)) if (!byAction.has(audit)) byAction.set(audit, summary);
  // Of commands that have no route: they open the database themselves.
  byAction.set('database.backup', 'Write everything in the database into one file');
  byAction.set('database.restore', 'Put a backup into the database');
  const rows = [...byAction]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([action, summary]) => [`\`${action}\``, summary]);
  const page = `# Audit events

What is on record, and how it is proved: [the trail](../guide/audit.md). Calls of MCP methods are of the kind \`call\`, sign-ins
\`sign_in\`, keys and accounts \`credential\`, what looks like an attack \`security\`. These are the actions of the kind
\`admin\`: each request of the admin API, the portal and the command line is one row, also where it was refused.

${table(['action', 'what was done'], rows)}
`;
  return { file: 'audit-events.md', text: `${made('src/admin/contract.ts')}\n${page}` };
}
