/** Which resources a token may be asked for here; the data plane judges by the same words. */
export { parseResource, type ResourceRules } from '#core/resource.ts';
