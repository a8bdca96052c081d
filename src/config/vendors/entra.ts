import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

/** By its variables alone, Entra ID is bridged, for a public client unless there is a secret (REQUIREMENTS S2). */
export const entraVendor: Vendor = {
  kind: 'entra',
  names: ['ENTRA_TENANT_ID', 'ENTRA_CLIENT_ID'],
  optional: ['ENTRA_CLIENT_SECRET'],
  entry(env) {
    const clientSecret = env.ENTRA_CLIENT_SECRET;
    if (clientSecret !== undefined && env.NODE_ENV === 'production' && isPlaceholder(clientSecret)) {
      throw settingError('ENTRA_CLIENT_SECRET is a placeholder: set the value from the Entra admin center');
    }
    return {
      mode: 'bridge',
      tenantId: env.ENTRA_TENANT_ID,
      clientId: env.ENTRA_CLIENT_ID,
      ...(clientSecret !== undefined && { clientSecret }),
    };
  },
};
