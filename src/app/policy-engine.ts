import { policyAdapters } from '#adapters/policy/index.ts';
import type { PolicyEngine } from '#adapters/policy/policy.ts';

/** The one there is: what policies are written in is not a setting. */
export const openPolicyEngine = (): Promise<PolicyEngine> => policyAdapters.open({ kind: 'cedar' }, {});
