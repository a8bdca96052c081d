import { findUrl } from '#config/environment.ts';
import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

/** REQUIREMENTS S4.6. */
export const clerkVendor: Vendor = {
  kind: 'clerk',
  names: ['CLERK_SECRET_KEY', 'CLERK_PUBLISHABLE_KEY'],
  entry(env) {
    const secretKey = env.CLERK_SECRET_KEY ?? '';
    if (env.NODE_ENV === 'production' && isPlaceholder(secretKey)) {
      throw settingError('CLERK_SECRET_KEY is a placeholder: set the key from the Clerk dashboard');
    }
    const apiUrl = findUrl(env, 'CLERK_API_URL');
    const webhookSecret = env.CLERK_WEBHOOK_SECRET;
    return {
      ...(webhookSecret !== undefined && { webhookSecret }),
      secretKey,
      publishableKey: env.CLERK_PUBLISHABLE_KEY,
      ...(apiUrl !== undefined && { apiUrl }),
    };
  },
};
