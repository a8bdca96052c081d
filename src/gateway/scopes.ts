/** What a token lets its holder do (RFC 6750 3.1). A ceiling only: rights come from memberships (SECURITY B16). */
import { GatehouseError } from '#core/error.ts';
import type { Principal } from '#core/principal.ts';
import type { Message } from '#mcp/message.ts';

/** What clients ask for that know nothing better. */
export const allScopes = 'mcp:read mcp:write';

/** Everything that the operation takes, in one challenge: clients ask for exactly what it says. */
export function neededScopes(message: Message | undefined): string {
  return message?.method === 'tools/call' ? allScopes : 'mcp:read';
}

/** Throws `insufficient_scope`. A token without scopes is not limited by any. */
export function checkScopes(principal: Principal, message: Message | undefined): void {
  if (principal.kind === 'api-key' || principal.scopes === undefined) return;
  const needed = message?.method === 'tools/call' ? 'mcp:write' : 'mcp:read';
  if (!principal.scopes.includes(needed)) throw new GatehouseError('insufficient_scope');
}
