/** The commands about who asks, who is let in and until when, as commander knows them. */
import { type Command, Option } from 'commander';
import { commaList } from './flags.ts';
import type { Io } from './io.ts';

type Remote = (command: Command) => Command;

const orgFlag = ['--org <organization>', 'slug or id'] as const;
const userFlag = ['--user <who>', 'only of this member: an e-mail address or id'] as const;

export function addOversightCommands(program: Command, io: Io, remote: Remote): void {
  addRequests(program, io, remote);
  addApps(program, io, remote);
  addTokens(program, io, remote);
  addSessions(program, io, remote);
  addAccess(program, io, remote);
}

function addRequests(program: Command, io: Io, remote: Remote): void {
  const request = program.command('request').description('what members ask for');
  remote(request.command('list').alias('ls'))
    .description('list what members asked for')
    .option(...orgFlag)
    .addOption(new Option('--state <state>', 'only these').choices(['open', 'approved', 'refused', 'withdrawn']))
    .action(async (options) => (await import('./oversight.ts')).listRequests(io, options));
  remote(request.command('approve'))
    .description('give what was asked for')
    .argument('<id>', 'as in `request list`')
    .option(...orgFlag)
    .option('--tools <tools>', 'only these of it, comma list', commaList)
    .option('--word <text>', 'to the person')
    .action(async (id, options) => (await import('./oversight.ts')).approveRequest(io, id, options));
  remote(request.command('refuse'))
    .description('refuse what was asked for')
    .argument('<id>', 'as in `request list`')
    .requiredOption('--word <text>', 'why, to the person')
    .option(...orgFlag)
    .action(async (id, options) => (await import('./oversight.ts')).refuseRequest(io, id, options));
}

function addApps(program: Command, io: Io, remote: Remote): void {
  const app = program.command('app').description('applications that members let in');
  remote(app.command('list').alias('ls'))
    .description('list applications, and those that are kept out')
    .option(...orgFlag)
    .action(async (options) => (await import('./oversight.ts')).listApps(io, options));
  remote(app.command('block'))
    .description('keep an application out, whoever lets it in')
    .argument('<client>', 'as in `app list`')
    .option(...orgFlag)
    .option('--reason <text>', 'for whoever administers after you')
    .action(async (client, options) =>
      (await import('./oversight.ts')).changeApp(io, { client, blocked: true }, options),
    );
  remote(app.command('unblock'))
    .description('let members use an application again')
    .argument('<client>', 'as in `app list`')
    .option(...orgFlag)
    .action(async (client, options) =>
      (await import('./oversight.ts')).changeApp(io, { client, blocked: false }, options),
    );
}

function addTokens(program: Command, io: Io, remote: Remote): void {
  const token = program.command('token').description('what members let applications have');
  const clientFlag = ['--client <client>', 'only of this application, as in `app list`'] as const;
  remote(token.command('list').alias('ls'))
    .description('list them; the tokens themselves are shown to nobody')
    .option(...orgFlag)
    .option(...userFlag)
    .option(...clientFlag)
    .action(async (options) => (await import('./oversight.ts')).listTokens(io, options));
  remote(token.command('revoke').alias('rm'))
    .description('take one back, those of a member or an application, or all')
    .argument('[id]', 'as in `token list`')
    .option(...orgFlag)
    .option(...userFlag)
    .option(...clientFlag)
    .option('--all', 'of everybody')
    .action(async (id, options) => (await import('./oversight.ts')).revokeTokens(io, id, options));
}

function addSessions(program: Command, io: Io, remote: Remote): void {
  const session = program
    .command('session')
    .description('browsers that are signed in, calls and streams that are open');
  remote(session.command('list').alias('ls'))
    .description('list sessions, as the gateway that answers knows them')
    .option(...orgFlag)
    .option(...userFlag)
    .action(async (options) => (await import('./oversight.ts')).listSessions(io, options));
  remote(session.command('end').alias('rm'))
    .description('end a session, or all of a member')
    .argument('[id]', 'as in `session list`')
    .option(...orgFlag)
    .option(...userFlag)
    .action(async (id, options) => (await import('./oversight.ts')).endSessions(io, id, options));
}

function addAccess(program: Command, io: Io, remote: Remote): void {
  const access = program.command('access').description('what a member may use');
  remote(access.command('show'))
    .description('show what a member may use, and by what')
    .argument('<who>', 'an e-mail address or id')
    .argument('[endpoint]', 'only this collection or server')
    .option(...orgFlag)
    .action(async (who, endpoint, options) =>
      (await import('./oversight.ts')).showAccess(io, { who, endpoint }, options),
    );
  remote(program.command('who-can'))
    .description('show which members may use an endpoint, or one tool of it, and by what')
    .argument('<endpoint>', 'a collection or server')
    .argument('[tool]', 'as in `tools`')
    .option(...orgFlag)
    .action(async (endpoint, tool, options) =>
      (await import('./oversight.ts')).showWhoCan(io, { endpoint, tool }, options),
    );
}
