import { findUrl } from '#config/environment.ts';
import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

/** REQUIREMENTS S1.14 and S1.45. */
export const githubVendor: Vendor = {
  kind: 'github',
  names: ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET', 'ALLOWED_GITHUB_USERS'],
  binds: true,
  entry(env) {
    const clientSecret = env.GITHUB_CLIENT_SECRET ?? '';
    if (env.NODE_ENV === 'production' && isPlaceholder(clientSecret)) {
      throw settingError("GITHUB_CLIENT_SECRET is a placeholder: set the secret from the OAuth app's page at GitHub");
    }
    const allowedUsers = (env.ALLOWED_GITHUB_USERS ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
    if (allowedUsers.length === 0) {
      throw settingError(
        'ALLOWED_GITHUB_USERS admits nobody: name login names, separated by commas, or * for everybody',
      );
    }
    const wrong = allowedUsers.some((name) => !/^([A-Za-z0-9][A-Za-z0-9_-]*|\*)$/.test(name));
    if (wrong) throw settingError('ALLOWED_GITHUB_USERS is wrong: must be login names, separated by commas, or *');
    const baseUrl = findUrl(env, 'GITHUB_BASE_URL');
    return { clientId: env.GITHUB_CLIENT_ID, clientSecret, allowedUsers, ...(baseUrl !== undefined && { baseUrl }) };
  },
};
