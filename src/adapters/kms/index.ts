import { adapterRegistry } from '#core/adapter.ts';
import { awsKms } from './aws/aws.ts';
import { azureKms } from './azure/azure.ts';
import { environmentKms } from './environment/environment.ts';
import { googleKms } from './google/google.ts';
import type { Kms, KmsDeps } from './kms.ts';
import { vaultKms } from './vault/vault.ts';

export { openSeveral } from './several.ts';

export const kmsAdapters = adapterRegistry<KmsDeps, Kms>([environmentKms, awsKms, googleKms, azureKms, vaultKms]);
