/** `images`: what servers in containers are made from. */
import { type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { printable, printJson } from './output.ts';

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

/** Until it is here, however long that takes. */
export async function pullImage(io: Io, image: string, options: Options): Promise<void> {
  const connection = await connect(io, options);
  try {
    for (;;) {
      const pulled = await connection.call('pullImage', { image });
      if (pulled.state === 'pulling') {
        if (!options.json) io.err(`${printable(pulled.progress ?? 'Pulling')}\n`);
        continue;
      }
      if (options.json) return printJson(io, pulled);
      io.err(`Here: ${printable(pulled.id ?? image)}\n`);
      for (const digest of pulled.digests) io.err(`By digest: ${printable(digest)}\n`);
      return;
    }
  } finally {
    await connection.close();
  }
}
