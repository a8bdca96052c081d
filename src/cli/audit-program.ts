/** The commands of `audit`, as commander knows them. */
import { type Command, Option } from 'commander';
import type { Io } from './io.ts';

export function addAudit(
  remote: (command: Command) => Command,
  audit: Command,
  { io, version }: { readonly io: Io; readonly version: string },
): void {
  const inOrg = (command: Command) =>
    remote(command).option('--org <organization>', 'slug or id (default: all, and what is of none)');
  inOrg(audit.command('list').alias('ls'))
    .description('show what happened, newest first')
    .option('--person <who>', 'subject, e-mail address or pseudonym')
    .option('--server <key>', 'as in `server list`')
    .option('--tool <name>', 'name of a tool, prompt or resource')
    .addOption(
      new Option('--kind <kind>', 'only these').choices(['call', 'sign_in', 'admin', 'credential', 'security']),
    )
    .addOption(new Option('--decision <decision>', 'only what was let through, or refused').choices(['allow', 'deny']))
    .option('--since <time>', 'such as 2026-11-20 or 2026-11-20T08:00:00Z')
    .option('--limit <rows>', 'at most 1000', '50')
    .action(async (options) => (await import('./audit.ts')).listAudit(io, options));
  inOrg(audit.command('verify'))
    .description('check that nothing was changed, removed or added; the exit code says it too')
    .option('--file <export>', 'of an export, without a gateway')
    .option('--public-key <key>', 'that must have signed the checkpoints of the file')
    .action(async (options) => (await import('./audit.ts')).verifyAudit(io, options));
  inOrg(audit.command('export'))
    .description('write the trail out, oldest first')
    .addOption(new Option('--format <format>', 'of the lines').choices(['jsonl', 'otlp', 'syslog']).default('jsonl'))
    .option('--to <url>', 'of the receiver: http(s) for otlp, tcp:// or tls:// for syslog')
    .option('--since <time>', 'from then on')
    .option('--until <time>', 'and before then')
    .action(async (options) => (await import('./audit.ts')).exportAudit(io, options, version));
}
