/**
 * Who may say what this machine runs (SECURITY G1, PROTOCOL 6 "local server compromise"). A command is the word of somebody
 * who holds the gateway's data directory, never that of a token that a browser, an MCP client or an organization has.
 */
import { GatehouseError } from '#core/error.ts';
import type { ServerTransport } from '#core/transport.ts';
import { checkVariableName } from '#runner/environment.ts';
import type { Actor } from './actor.ts';

export type ProgramTransport = Extract<ServerTransport, { readonly kind: 'stdio' | 'process' | 'container' }>;

export const isProgram = (transport: ServerTransport): transport is ProgramTransport =>
  transport.kind === 'stdio' || transport.kind === 'process' || transport.kind === 'container';

/** Throws `forbidden`. */
export function checkMayCommand(actor: Actor): void {
  if (actor.kind === 'platform' && actor.userId === undefined) return;
  throw new GatehouseError('forbidden', {
    message: "What is run is decided on the gateway's own machine: use `gatehouse run` there",
  });
}

/** Of a definition that may be a program. Throws `forbidden`, `bad_request`. */
export function checkDefinition(actor: Actor, transport: ServerTransport): void {
  if (!isProgram(transport)) return;
  checkMayCommand(actor);
  checkProgram(transport);
}

const MAX_ARGUMENTS = 256;
const MAX_CHARACTERS = 8192;

/** No shell ever sees them: what is refused is what no program can be given. Throws `bad_request`. */
export function checkProgram(transport: ProgramTransport): void {
  for (const name of Object.keys(transport.env)) checkVariableName(name);
  if (transport.credentialEnv !== undefined) checkVariableName(transport.credentialEnv);
  const words = [...transport.args, ...('command' in transport ? [transport.command] : [transport.image])];
  if (transport.args.length > MAX_ARGUMENTS) refuse(`has more than ${MAX_ARGUMENTS} arguments`);
  if (words.some((word) => word.length > MAX_CHARACTERS))
    refuse(`has an argument of more than ${MAX_CHARACTERS} characters`);
  if ([...words, ...Object.values(transport.env)].some((word) => word.includes('\0'))) refuse('has a NUL byte');
}

/** Of sealed ones. Throws `bad_request`. */
export function checkVariables(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) {
    checkVariableName(name);
    if (value.includes('\0')) refuse(`has a NUL byte in the variable ${name}`);
  }
}

function refuse(why: string): never {
  throw new GatehouseError('bad_request', { message: `The command ${why}` });
}
