import { adapterRegistry } from '#core/adapter.ts';
import { environmentKms } from './environment/environment.ts';
import type { Kms, KmsDeps } from './kms.ts';

export const kmsAdapters = adapterRegistry<KmsDeps, Kms>([environmentKms]);
