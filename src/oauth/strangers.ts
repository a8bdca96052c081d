/**
 * How often one address may begin something here: each sign-in that is begun, and each form that is shown, leaves a row
 * until its time is over, and nobody has said yet who they are (SECURITY A25).
 */
import type { IncomingMessage } from 'node:http';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import { GatehouseError } from '#core/error.ts';
import { type AddressReader, addressKey } from '#http/client-address.ts';

export interface Strangers {
  /** Throws `rate_limited`. */
  take(request: IncomingMessage): Promise<void>;
}

export interface StrangersDeps {
  readonly limiter: Limiter;
  readonly readAddress: AddressReader;
  readonly perAddressPerMinute: number;
}

export function openStrangers({ limiter, readAddress, perAddressPerMinute }: StrangersDeps): Strangers {
  const limit = { points: perAddressPerMinute, windowSeconds: 60 };
  return {
    async take({ socket, headers }) {
      const address = readAddress(socket.remoteAddress ?? '', headers['x-forwarded-for']?.toString());
      const { allowed, resetMs } = await limiter.take(`sign-in ${addressKey(address)}`, limit);
      if (!allowed) throw new GatehouseError('rate_limited', { retryAfterSeconds: Math.ceil(resetMs / 1000) });
    },
  };
}
