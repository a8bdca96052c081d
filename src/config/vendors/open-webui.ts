import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

/** REQUIREMENTS S3.1 to S3.4: sessions of Open WebUI, whose table of users is in the same database. */
export const openWebuiVendor: Vendor = {
  kind: 'shared-secret',
  names: ['WEBUI_SECRET_KEY'],
  binds: true,
  entry(env) {
    const secret = env.WEBUI_SECRET_KEY ?? '';
    if (secret.length < 32) {
      throw settingError('WEBUI_SECRET_KEY must be at least 32 characters: set the same longer one in Open WebUI, too');
    }
    if (env.NODE_ENV === 'production' && isPlaceholder(secret)) {
      throw settingError(
        'WEBUI_SECRET_KEY is a placeholder: make one with `openssl rand -base64 32`, for Open WebUI, too',
      );
    }
    return { secret, preset: 'open-webui' };
  },
};
