/**
 * What RFC 8628 asks of the two ends of the device flow and the provider leaves out: the interval is said, and a device
 * that asks for its tokens more often is told to slow down (3.5), on every replica alike.
 */
import type Provider from 'oidc-provider';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import { digestOf } from '#oauth/record-store.ts';
import { noteDevicePoll } from '#records/device-polls.ts';

const intervalSeconds = 5;
const toleranceMs = 500;
const deviceCodeMs = 600_000;

const pending = z.object({ error: z.literal('authorization_pending') });
const started = z.looseObject({ device_code: z.string() });

export function slowDevicesDown(
  provider: Provider,
  { db, clock }: { readonly db: Db; readonly clock: Clock },
  paths: { readonly token: string; readonly deviceAuthorization: string },
): void {
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path === paths.deviceAuthorization) {
      const answer = started.safeParse(ctx.body);
      if (answer.success) ctx.body = { ...answer.data, interval: intervalSeconds };
    }
    if (ctx.path !== paths.token || !pending.safeParse(ctx.body).success) return;
    // Only the code's own client gets this far.
    const code: unknown = ctx.oidc.params?.device_code;
    const nowMs = clock.now();
    const poll = { nowMs, expiresAt: nowMs + deviceCodeMs, intervalMs: intervalSeconds * 1000, toleranceMs };
    if (await noteDevicePoll(db, { id: digestOf(String(code)), ...poll })) {
      ctx.body = { error: 'slow_down', error_description: 'wait five seconds longer between two requests' };
    }
  });
}
