/** Names as an endpoint publishes them. */
import { publishName } from '#mcp/bridge/names.ts';
import type { EndpointPart } from '#records/snapshot.ts';

export const publishedName = ({ prefix }: EndpointPart, name: string): string =>
  prefix === '' ? name : publishName(prefix, name);
