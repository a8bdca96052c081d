/** `certificate`: what a TLS client is shown, and whether it will do for a while. */
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { parseUrl } from './connection.ts';
import type { Finding } from './doctor.ts';
import type { Io } from './io.ts';
import { printable, printJson } from './output.ts';

export interface SeenCertificate {
  readonly host: string;
  readonly subject: string;
  readonly names: readonly string[];
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
  /** Whole ones; negative: it has expired. */
  readonly daysLeft: number;
  /** null: a client that trusts what Node.js trusts takes it. */
  readonly problem: string | null;
}

const patienceMs = 5000;
const soonDays = 14;
const dayMs = 86_400_000;

/** Throws GatehouseError `setting` when clients would refuse it or will soon. */
export async function showCertificate(
  io: Io,
  url: string | undefined,
  options: { readonly json?: boolean },
): Promise<void> {
  const seen = await lookAt(
    url === undefined ? ownUrl(io) : parseUrl(url.includes('://') ? url : `https://${url}`, 'address'),
    Date.now(),
  );
  if (options.json) printJson(io, seen);
  else
    io.out(
      `${seen.host}: ${printable(seen.subject)} (${printable(seen.names.join(', '))}), by ${printable(seen.issuer)}\n` +
        `valid from ${seen.validFrom} to ${seen.validTo}: ${seen.daysLeft} days left\n`,
    );
  const { state, said } = judge(seen);
  if (state !== 'ok') throw new GatehouseError('setting', { message: said });
}

function ownUrl(io: Io): URL {
  const { http, baseUrlGiven } = loadConfig({ ...io, purpose: 'database' });
  if (baseUrlGiven) return new URL(http.baseUrl);
  throw new GatehouseError('setting', { message: 'BASE_URL is not set: name the address to look at' });
}

/** For `doctor`. */
export function judge({ host, daysLeft, validTo, problem }: SeenCertificate): Finding {
  const check = 'certificate';
  if (problem !== null)
    return { check, state: 'failed', said: `clients refuse the certificate of ${host}: ${problem}` };
  const said = `the certificate of ${host} is good until ${validTo} (${daysLeft} days)`;
  return daysLeft >= soonDays ? { check, state: 'ok', said } : { check, state: 'warning', said: `${said}: renew it` };
}

/** Throws `bad_request` (no TLS there), `upstream_unreachable`. */
export async function lookAt(url: URL, nowMs: number): Promise<SeenCertificate> {
  if (url.protocol !== 'https:')
    throw new GatehouseError('bad_request', { message: `${url.origin} is not served by TLS` });
  const socket = await handshake(url);
  try {
    return shown(url, socket, nowMs);
  } finally {
    socket.destroy();
  }
}

/** Also with one that nobody should trust: that is what we want to see. */
function handshake({ hostname, port }: URL): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const host = hostname.replace(/^\[|\]$/g, '');
  const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  const socket = connect({ host, port: Number(port || 443), ...name, rejectUnauthorized: false, timeout: patienceMs });
  const failed = (reason: string, cause?: unknown) => {
    socket.destroy();
    const message = `${hostname} shows no certificate (${reason}): is something listening there, and by TLS?`;
    reject(new GatehouseError('upstream_unreachable', { message, cause }));
  };
  socket.once('secureConnect', () => resolve(socket));
  socket.once('timeout', () => failed('no answer'));
  socket.once('error', (error) => failed(error.message, error));
  return promise;
}

function shown(url: URL, socket: TLSSocket, nowMs: number): SeenCertificate {
  const found: PeerCertificate = socket.getPeerCertificate();
  const until = new Date(found.valid_to);
  // With `rejectUnauthorized: false` the reason is here, an `Error` or its text.
  const reason: unknown = socket.authorizationError;
  return {
    host: url.host,
    subject: first(found.subject?.CN),
    names: (found.subjectaltname ?? '')
      .split(', ')
      .filter(Boolean)
      .map((name) => name.replace(/^(?:DNS|IP Address):/, '')),
    issuer: first(found.issuer?.O) || first(found.issuer?.CN),
    validFrom: new Date(found.valid_from).toISOString(),
    validTo: until.toISOString(),
    daysLeft: Math.floor((until.getTime() - nowMs) / dayMs),
    problem: socket.authorized ? null : reason instanceof Error ? reason.message : String(reason),
  };
}

const first = (value: string | readonly string[] | undefined): string => [value ?? ''].flat()[0] ?? '';
