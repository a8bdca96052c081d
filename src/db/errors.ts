/** What PostgreSQL, its driver and PGlite throw, as ours. Codes: PostgreSQL appendix A; socket codes: Node. */
import { type ErrorCode, GatehouseError } from '#core/error.ts';

const lost = /^(08...|57P0[123]|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/;
/** Lost, too many clients, out of disk or memory, cancelled by a timeout, read-only after a failover, deadlock and the like. */
const unavailable = /^(53...|57014|25006|40...|55P03|58...)$/;
const lostTexts =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;
const timedOut = /^(Query read timeout|timeout expired)/;

/** True: nothing reached a commit through this connection and another one may work. */
export function isConnectionLost(error: unknown): boolean {
  return lost.test(codeOf(error)) || lostTexts.test(messageOf(error));
}

/** A GatehouseError where the cause is storage or a constraint; anything else as it came. */
export function asStorageError(error: unknown): unknown {
  const code = gatehouseCode(error);
  if (!code) return error;
  return new GatehouseError(code, {
    cause: error,
    ...(code === 'storage_unavailable' ? { retryAfterSeconds: 5 } : {}),
  });
}

function gatehouseCode(error: unknown): ErrorCode | undefined {
  if (error instanceof GatehouseError) return undefined;
  const code = codeOf(error);
  if (code === '23505') return 'conflict';
  if (code === '23503') return 'not_found';
  if (isConnectionLost(error) || unavailable.test(code) || timedOut.test(messageOf(error)))
    return 'storage_unavailable';
  return undefined;
}

/** SQLSTATE or socket code; an AggregateError (all addresses of a host failed) speaks through its first error. */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}
