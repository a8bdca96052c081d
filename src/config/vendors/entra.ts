/** Entra ID by its variables: bridge mode, for a public client (REQUIREMENTS S2). The file's entry, where there is one, wins. */
import type { Env } from '#config/environment.ts';
import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';

const required = ['ENTRA_TENANT_ID', 'ENTRA_CLIENT_ID'] as const;

/** What goes into the list of identity providers. Throws GatehouseError `setting`. */
export function entraOf(env: Env): readonly object[] {
  const given = [...required, 'ENTRA_CLIENT_SECRET'].some((name) => env[name] !== undefined);
  if (!given) return [];
  const missing = required.find((name) => env[name] === undefined);
  if (missing) throw settingError(`${missing} environment variable is required`);
  const clientSecret = env.ENTRA_CLIENT_SECRET;
  if (clientSecret !== undefined && env.NODE_ENV === 'production' && isPlaceholder(clientSecret)) {
    throw settingError('ENTRA_CLIENT_SECRET is a placeholder: set the value from the Entra admin center');
  }
  return [
    {
      kind: 'entra',
      mode: 'bridge',
      tenantId: env.ENTRA_TENANT_ID,
      clientId: env.ENTRA_CLIENT_ID,
      ...(clientSecret !== undefined && { clientSecret }),
    },
  ];
}
