/** The same call for a terminal. Keys stay in the environment. */
import type { CallEvent } from './run-call.ts';

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

type Sent = Extract<CallEvent, { readonly type: 'request' }>;

/** As it went over the wire, with a key of one's own. */
export function curlOf({ url, headers, message }: Sent): string {
  const own = Object.entries(headers).filter(([name]) => !/^(authorization|cookie|host|content-length)$/i.test(name));
  return [
    `curl -N ${quoted(url)}`,
    '-H "authorization: Bearer $GATEHOUSE_KEY"',
    ...own.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    `-d ${quoted(JSON.stringify(message))}`,
  ].join(' \\\n  ');
}

export interface ToolCall {
  readonly organization: string;
  readonly endpoint: string;
  readonly tool: string;
  readonly args: unknown;
}

export const gatehouseCall = ({ organization, endpoint, tool, args }: ToolCall): string =>
  `gatehouse call ${organization}/${endpoint} ${/^[\w.-]+$/.test(tool) ? tool : quoted(tool)} ${quoted(JSON.stringify(args))}`;
