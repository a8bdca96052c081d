/** `admin link`: the way in to the portal for whoever holds the data directory. */
import { type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { printJson } from './output.ts';

export async function printPortalLink(io: Io, options: ConnectOptions & { readonly json?: boolean }): Promise<void> {
  const connection = await connect(io, options);
  try {
    const made = await connection.call('createPortalLink', {});
    if (options.json) return printJson(io, made);
    io.out(`${made.url}\n`);
    io.err('Open it in a browser: it works once, within ten minutes.\n');
  } finally {
    await connection.close();
  }
}
