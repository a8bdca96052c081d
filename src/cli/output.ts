/** How commands speak: one JSON value or lines for people, exit codes 0, 1, 2 (usage), 3 (not allowed). */
import { CommanderError } from 'commander';
import { asGatehouseError, type ErrorCode, GatehouseError } from '#core/error.ts';
import { type Io, UsageError } from './io.ts';

const authCodes: ReadonlySet<ErrorCode> = new Set([
  'no_token',
  'invalid_token',
  'not_member',
  'role_denied',
  'forbidden',
  'insufficient_scope',
  'policy_denied',
]);

/** Done, and said so by this exit code. */
export class ExitCode extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof ExitCode) return thrown.code;
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  if (thrown instanceof UsageError) return 2;
  return thrown instanceof GatehouseError && authCodes.has(thrown.code) ? 3 : 1;
}

/** Prints what was thrown, once; commander has printed its own already. */
export function printError(io: Io, thrown: unknown, json: boolean): void {
  if (thrown instanceof CommanderError || thrown instanceof ExitCode) return;
  const code = thrown instanceof UsageError ? 'usage' : asGatehouseError(thrown).code;
  const message = sentence(thrown);
  io.err(json ? `${JSON.stringify({ error: { code, message } })}\n` : `${message}\n`);
}

function sentence(thrown: unknown): string {
  if (thrown instanceof UsageError) return thrown.message;
  const error = asGatehouseError(thrown);
  if (error.code !== 'internal') return error.message;
  const cause = error.cause instanceof Error ? error.cause.message : 'unknown';
  return `Something went wrong inside Gatehouse (${cause}): run again with LOG_LEVEL=debug, or report it`;
}

export function printJson(io: Io, value: unknown): void {
  io.out(`${JSON.stringify(value, null, io.outIsTerminal ? 2 : undefined)}\n`);
}

/** A stranger's text must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');
}
