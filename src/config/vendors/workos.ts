import { findUrl } from '#config/environment.ts';
import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

export const workosVendor: Vendor = {
  kind: 'workos',
  names: ['WORKOS_API_KEY', 'WORKOS_AUTHORIZATION_SERVER_URL', 'WORKOS_CLIENT_ID'],
  entry(env) {
    const apiKey = env.WORKOS_API_KEY ?? '';
    if (env.NODE_ENV === 'production' && isPlaceholder(apiKey)) {
      throw settingError('WORKOS_API_KEY is a placeholder: set the key from the WorkOS dashboard');
    }
    return {
      apiKey,
      clientId: env.WORKOS_CLIENT_ID ?? '',
      authorizationServerUrl: findUrl(env, 'WORKOS_AUTHORIZATION_SERVER_URL') ?? '',
      apiBaseUrl: findUrl(env, 'WORKOS_API_BASE_URL'),
      ...(env.WORKOS_WEBHOOK_SECRET !== undefined && { webhookSecret: env.WORKOS_WEBHOOK_SECRET }),
    };
  },
};
