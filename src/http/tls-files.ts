/** The certificate that the gateway shows, and its key: read from files, and read again when they change. */
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { settingError } from '#core/error.ts';
import type { Log } from '#core/log.ts';

export interface TlsFiles {
  /** PEM: the certificate, then what leads to a known authority. Absolute. */
  readonly certFile: string;
  readonly keyFile: string;
}

export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Throws GatehouseError `setting` where a file is not there, is no PEM, or the two do not belong together. */
export async function readTlsPair({ certFile, keyFile }: TlsFiles): Promise<TlsPair> {
  const [cert, key] = await Promise.all([readText(certFile, 'TLS_CERT_PATH'), readText(keyFile, 'TLS_KEY_PATH')]);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw settingError(
      `The certificate ${certFile} and the key ${keyFile} are not PEM files that belong together: correct TLS_CERT_PATH or TLS_KEY_PATH`,
      cause,
    );
  }
  return { cert, key };
}

async function readText(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw settingError(`${file} cannot be read: correct ${name}, or let the gateway's user read it`, cause);
  }
}

/** Whether others of this machine may read the key. Where there are no such rights, nobody is said to. */
export async function isOpenToOthers({ keyFile }: TlsFiles): Promise<boolean> {
  return process.platform !== 'win32' && ((await stat(keyFile)).mode & 0o007) !== 0;
}

export interface FollowOptions {
  readonly log: Log;
  readonly first: TlsPair;
  readonly onChange: (pair: TlsPair) => void;
  /** Files are looked at, not watched: renewals swap links, copy, and write one file after the other. Default 2 s. */
  readonly everyMs?: number;
}

/** A pair that is not good is said once, and what was before goes on. Returns how to stop. */
export function followTlsFiles(files: TlsFiles, options: FollowOptions): () => void {
  const { log, onChange } = options;
  let current = options.first;
  let complaint = '';
  let busy = false;
  const look = async () => {
    try {
      const pair = await readTlsPair(files);
      complaint = '';
      if (pair.cert === current.cert && pair.key === current.key) return;
      current = pair;
      onChange(pair);
      log.info({ certFile: files.certFile }, 'the certificate was read anew');
    } catch (thrown) {
      const said = thrown instanceof Error ? thrown.message : String(thrown);
      if (said !== complaint) log.error({ problem: said }, 'the certificate is not accepted: what was before goes on');
      complaint = said;
    }
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void look().finally(() => {
      busy = false;
    });
  }, options.everyMs ?? 2000).unref();
  return () => clearInterval(timer);
}
