import { adapterRegistry } from '#core/adapter.ts';
import { cedarPolicies } from './cedar/cedar.ts';
import type { PolicyDeps, PolicyEngine } from './policy.ts';

export const policyAdapters = adapterRegistry<PolicyDeps, PolicyEngine>([cedarPolicies]);
