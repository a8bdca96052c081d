import type { GatehouseError } from '#core/error.ts';
import type { Call } from './call.ts';
import { safeMethods } from './peers/peer.ts';

/** Once, where the server can't have done it yet, or where twice is once (SECURITY 3.4). */
export function mayRepeat({ message }: Call, error: GatehouseError, sent: boolean): boolean {
  if (error.code !== 'upstream_broken' && error.code !== 'upstream_unreachable') return false;
  if (!sent) return true;
  const isSafe = message?.method !== undefined && safeMethods.has(message.method);
  return isSafe && !/"(?:requestState|inputResponses)"/.test(message.bytes.toString('latin1'));
}
