/** The commands about who may do what, as commander knows them. */
import type { Command } from 'commander';
import { commaList } from './flags.ts';
import type { Io } from './io.ts';

type Remote = (command: Command) => Command;

const orgFlag = ['--org <organization>', 'slug or id'] as const;
const whoText = 'an e-mail address, key:ID, service:NAME, or an id';

export function addAccessCommands(program: Command, io: Io, remote: Remote): void {
  addGroups(program, io, remote);
  addGrants(program, io, remote);
  addSwitches(program, io, remote);
  addMembers(program, io, remote);
  addServiceAccounts(program, io, remote);
  addPeople(program, io, remote);
}

function addGroups(program: Command, io: Io, remote: Remote): void {
  const group = program.command('group').description('groups: who is in them may use what they are granted');
  remote(group.command('list').alias('ls'))
    .description('list groups')
    .option(...orgFlag)
    .action(async (options) => (await import('./access.ts')).listGroups(io, options));
  remote(group.command('create'))
    .description('make a group')
    .argument('<name>', 'such as MCP-GitHub')
    .option(...orgFlag)
    .option('--title <title>', 'for people')
    .option('--external-id <id>', 'what the identity provider calls it')
    .option('--priority <number>', 'of several groups the lowest decides about credentials')
    .action(async (name, options) => (await import('./access.ts')).createGroup(io, name, options));
  remote(group.command('show'))
    .description('who is in a group, and what it is granted')
    .argument('<name>')
    .option(...orgFlag)
    .action(async (name, options) => (await import('./access.ts')).showGroup(io, name, options));
  remote(group.command('remove').alias('rm'))
    .description('remove a group')
    .argument('<name>')
    .option(...orgFlag)
    .action(async (name, options) => (await import('./access.ts')).removeGroup(io, name, options));
  for (const [name, add] of [
    ['add', true],
    ['drop', false],
  ] as const) {
    remote(group.command(name))
      .description(add ? 'put somebody into a group' : 'take somebody out of a group')
      .argument('<group>')
      .argument('<who>', whoText)
      .option(...orgFlag)
      .action(async (to, who, options) =>
        (await import('./access.ts')).changeGroup(io, { group: to, who, add }, options),
      );
  }
}

function addGrants(program: Command, io: Io, remote: Remote): void {
  const grant = program.command('grant').description('what groups and people may use');
  remote(grant.command('list').alias('ls'))
    .description('list grants')
    .option(...orgFlag)
    .action(async (options) => (await import('./access.ts')).listGrants(io, options));
  remote(grant.command('add'))
    .description('grant a server, or some of its tools')
    .argument('<to>', `a group, ${whoText}`)
    .argument('<server>', 'key of the server; with --collection the name of a collection')
    .option(...orgFlag)
    .option('--tools <tools>', 'only these, comma list', commaList)
    .option('--collection', 'it is a collection')
    .action(async (to, of, options) => (await import('./access.ts')).addGrant(io, { to, of }, options));
  remote(grant.command('remove').alias('rm'))
    .description('take a grant back')
    .argument('<id>', 'as in `grant list`')
    .option(...orgFlag)
    .action(async (id, options) => (await import('./access.ts')).removeGrant(io, id, options));
}

function addSwitches(program: Command, io: Io, remote: Remote): void {
  for (const [name, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    const command = remote(program.command(name))
      .description(enabled ? 'enable a server for an organization' : 'switch a server off in an organization, at once')
      .argument('<server>', 'as in `server list`')
      .option(...orgFlag);
    if (enabled) {
      command
        .option('--all-members', 'every member may use it')
        .option('--roles <roles>', 'members with one of these roles may use it, comma list', commaList);
    }
    command.action(async (server, options) =>
      (await import('./access.ts')).enableServer(io, { server, enabled }, options),
    );
  }
  for (const [name, blocked] of [
    ['block', true],
    ['unblock', false],
  ] as const) {
    remote(program.command(name))
      .description(blocked ? 'switch tools off at once, or a whole server' : 'switch them on again')
      .argument('<server>', 'as in `server list`')
      .argument('[tools...]', 'none: the whole server')
      .option(...orgFlag)
      .option('--everywhere', 'for every organization')
      .action(async (server, tools, options) =>
        (await import('./access.ts')).blockTools(io, { server, tools, blocked }, options),
      );
  }
}

function addMembers(program: Command, io: Io, remote: Remote): void {
  const member = program.command('member').description('members of an organization');
  remote(member.command('list').alias('ls'))
    .description('list members and who is invited')
    .option(...orgFlag)
    .action(async (options) => (await import('./members.ts')).listMembers(io, options));
  remote(member.command('add'))
    .description('make somebody a member: at once, or with their first sign-in')
    .argument('<who>', 'an e-mail address, or an id of `person list`')
    .option(...orgFlag)
    .option(
      '--roles <roles>',
      'comma list; admin administers the organization, auditor reads what is on record',
      commaList,
      [],
    )
    .action(async (who, options) => (await import('./members.ts')).addMember(io, who, options));
  remote(member.command('roles'))
    .description('give a member other roles')
    .argument('<who>', 'an e-mail address or id')
    .argument('<roles>', 'comma list, "" for none', commaList)
    .option(...orgFlag)
    .action(async (who, roles, options) => (await import('./members.ts')).updateMember(io, who, { ...options, roles }));
  for (const [name, active] of [
    ['deactivate', false],
    ['activate', true],
  ] as const) {
    remote(member.command(name))
      .description(active ? 'let a member in again' : 'keep a member out of this organization, at once')
      .argument('<who>', 'an e-mail address or id')
      .option(...orgFlag)
      .action(async (who, options) => (await import('./members.ts')).updateMember(io, who, { ...options, active }));
  }
  remote(member.command('remove').alias('rm'))
    .description('remove a member, with what they hold there')
    .argument('<who>', 'an e-mail address or id')
    .option(...orgFlag)
    .action(async (who, options) => (await import('./members.ts')).removeMember(io, who, options));
}

function addServiceAccounts(program: Command, io: Io, remote: Remote): void {
  const account = program.command('service-account').description('accounts that programs act as');
  remote(account.command('list').alias('ls'))
    .description('list service accounts')
    .option(...orgFlag)
    .action(async (options) => (await import('./members.ts')).listServiceAccounts(io, options));
  remote(account.command('create'))
    .description('make a service account')
    .argument('<name>')
    .option(...orgFlag)
    .option('--roles <roles>', 'comma list', commaList, [])
    .action(async (name, options) => (await import('./members.ts')).createServiceAccount(io, name, options));
  remote(account.command('trust'))
    .description('let a workload ask for tokens of it, with assertions of its own issuer (RFC 7523)')
    .argument('<account>', 'its name')
    .requiredOption('--issuer <url>', 'exactly as the assertions have it; it must be in oauth.workloadIssuers')
    .requiredOption('--subject <pattern>', 'their subject; * stands for any characters but ":" and "/"')
    .requiredOption('--audience <audience>', 'their audience')
    .option(...orgFlag)
    .action(async (name, options) => (await import('./members.ts')).trustWorkload(io, name, options));
  remote(account.command('remove').alias('rm'))
    .description('remove a service account; its keys and tokens end')
    .argument('<account>', 'its name')
    .option(...orgFlag)
    .action(async (name, options) => (await import('./members.ts')).removeServiceAccount(io, name, options));
}

function addPeople(program: Command, io: Io, remote: Remote): void {
  const person = program.command('person').description('people who have an account here, in whatever organization');
  remote(person.command('list').alias('ls'))
    .description('list people, or find one')
    .argument('[search]', 'e-mail address, name, subject or id')
    .action(async (search, options) => (await import('./members.ts')).listPeople(io, search, options));
  remote(person.command('export'))
    .description('print everything that is kept about somebody, as JSON')
    .argument('<id>')
    .action(async (id, options) => (await import('./members.ts')).exportPerson(io, id, options));
  remote(person.command('erase'))
    .description('erase somebody; what they did stays on record under a pseudonym')
    .argument('<id>')
    .action(async (id, options) => (await import('./members.ts')).erasePerson(io, id, options));
  for (const [name, active] of [
    ['deactivate', false],
    ['activate', true],
  ] as const) {
    remote(person.command(name))
      .description(active ? 'let somebody sign in again' : "end somebody's sessions, tokens and sign-in, everywhere")
      .argument('<id>')
      .action(async (id, options) => (await import('./members.ts')).changePerson(io, id, { ...options, active }));
  }
}
