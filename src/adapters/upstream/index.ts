/** Ways to upstream servers. A server definition's transport picks one; the composition root opens it. */
export { openBalances } from './balance/balances.ts';
export { openBuiltins } from './builtin/builtin.ts';
export { openContainerUpstream } from './container/container.ts';
export { openHttpUpstream } from './http/http-upstream.ts';
export { openOpenApiUpstream } from './openapi/openapi-upstream.ts';
export { openOpenApiReader } from './openapi/reader-threads.ts';
export { openProcessUpstream } from './process/process-upstream.ts';
export { openSseUpstream } from './sse/sse.ts';
export { openSseFallback } from './sse-fallback/sse-fallback.ts';
export { openStdioUpstream } from './stdio/stdio.ts';
