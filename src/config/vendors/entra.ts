import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

/** REQUIREMENTS S2: by its variables alone it is the bridge, for a public client. */
export const entraVendor: Vendor = {
  kind: 'entra',
  names: ['ENTRA_TENANT_ID', 'ENTRA_CLIENT_ID'],
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
