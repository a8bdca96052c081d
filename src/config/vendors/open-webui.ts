import { isPlaceholder } from '#config/weak.ts';
import { settingError } from '#core/error.ts';
import type { Vendor } from './vendor.ts';

const organization = 'open-webui';

/** REQUIREMENTS S3.1 to S3.4: sessions of Open WebUI, whose table of users is in the same database. */
export const openWebuiVendor: Vendor = {
  kind: 'shared-secret',
  names: ['WEBUI_SECRET_KEY'],
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
    return { name: organization, title: 'Open WebUI', secret, preset: 'open-webui', organization };
  },
  /** Its people need an organization to be members of: one of this name, unless the file has it. */
  complete(value) {
    const given: unknown = 'organizations' in value ? value.organizations : undefined;
    const listed: readonly unknown[] = Array.isArray(given) ? given : [];
    if ((given !== undefined && !Array.isArray(given)) || listed.some(isOpenWebui)) return value;
    return { ...value, organizations: [...listed, { slug: organization, name: 'Open WebUI' }] };
  },
};

function isOpenWebui(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'slug' in value && value.slug === organization;
}
