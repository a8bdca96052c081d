/** Credentials and addresses of groups as gatehouse.yaml has them. What is equal is left as it is sealed. */
import { GatehouseError, settingError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import type { AdminRecords } from './records.ts';

export interface WantedCredential {
  readonly organization: string;
  readonly server: string;
  readonly group?: string | undefined;
  readonly keyName: string;
  readonly credential?: Secret | undefined;
  readonly header?: { readonly name: string; readonly template: string } | undefined;
  readonly url?: string | undefined;
}

/** Throws GatehouseError `setting` for a reference to nothing. */
export async function applyCredentials(
  records: Pick<AdminRecords, 'findOrganization' | 'putCredential' | 'hasCredential'>,
  wanted: readonly WantedCredential[],
  changed: string[],
): Promise<void> {
  for (const { organization: ref, credential, header, url, ...target } of wanted) {
    const organization = await records.findOrganization(ref);
    if (!organization) throw settingError(`There is no organization "${ref}": add it under organizations`);
    const route = { ...target, credential, header, url, keepCredential: false };
    try {
      if (await records.hasCredential(organization.id, route)) continue;
      await records.putCredential(organization.id, route);
    } catch (cause) {
      if (!(cause instanceof GatehouseError) || (cause.code !== 'not_found' && cause.code !== 'bad_request'))
        throw cause;
      throw settingError(`credentials of gatehouse.yaml: ${cause.message}`);
    }
    changed.push(`credential ${organization.slug}/${target.server}`);
  }
}
