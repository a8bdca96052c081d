/** `time`: the current time anywhere, and conversion between IANA time zones. */
import { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';

const zone = z.string().max(64).refine(isZone, 'is not an IANA time zone name');

export function timeServer(clock: Clock): McpServer {
  const server = new McpServer({ name: 'time', version: '1.0.0' });
  server.registerTool(
    'get_current_time',
    {
      description: 'The current time in a time zone',
      inputSchema: z.object({ timezone: zone.describe('IANA name, such as Europe/Berlin') }),
    },
    ({ timezone }) => json(describeTime(clock.now(), timezone)),
  );
  server.registerTool(
    'convert_time',
    {
      description: 'A time of today in one time zone, as it is in another',
      inputSchema: z.object({
        source_timezone: zone.describe('IANA name'),
        time: z
          .string()
          .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be HH:MM, 24 hours')
          .describe('HH:MM, 24 hours'),
        target_timezone: zone.describe('IANA name'),
      }),
    },
    ({ source_timezone, time, target_timezone }) => json(convert(clock.now(), source_timezone, time, target_timezone)),
  );
  return server;
}

function json(value: object) {
  return { content: [{ type: 'text' as const, text: JSON.stringify(value, null, 2) }] };
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function convert(now: number, source: string, time: string, target: string) {
  const date = new Date(now + offsetMs(now, source)).toISOString().slice(0, 10);
  const wall = Date.parse(`${date}T${time}:00Z`);
  const at = instantOf(wall, source);
  const difference = (offsetMs(at, target) - offsetMs(at, source)) / 3_600_000;
  return {
    source: describeTime(at, source),
    target: describeTime(at, target),
    time_difference: `${difference >= 0 ? '+' : ''}${Number.isInteger(difference) ? difference.toFixed(1) : difference}h`,
  };
}

/** The instant at which clocks in `zone_` show `wall`; where they show it never (a leap in spring), just after. */
function instantOf(wall: number, zone_: string): number {
  const guess = wall - offsetMs(wall, zone_);
  return wall - offsetMs(guess, zone_);
}

/** How far clocks in the zone are ahead of UTC at that instant. */
function offsetMs(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }).formatToParts(at);
  const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = /GMT([+-])(\d+):(\d+)(?::(\d+))?/.exec(name) ?? [];
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  return sign === '-' ? -ms : ms;
}

function describeTime(at: number, timezone: string) {
  const offset = offsetMs(at, timezone);
  const local = new Date(at + offset).toISOString().slice(0, 19);
  const minutes = Math.abs(Math.round(offset / 60_000));
  const pad = (value: number) => String(value).padStart(2, '0');
  const sign = offset < 0 ? '-' : '+';
  const wholeYear = new Date(at).getUTCFullYear();
  const january = offsetMs(Date.UTC(wholeYear, 0, 1), timezone);
  const july = offsetMs(Date.UTC(wholeYear, 6, 1), timezone);
  return {
    timezone,
    datetime: `${local}${sign}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`,
    day_of_week: new Intl.DateTimeFormat('en', { timeZone: timezone, weekday: 'long' }).format(at),
    is_dst: january !== july && offset === Math.max(january, july),
  };
}
