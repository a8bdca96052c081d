/** Where the trail, spans and figures go: part of the one schema. */
import { z } from 'zod';
import { Secret } from '#core/secret.ts';

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be a URL that starts with http:// or https://' });
const secret = z
  .string()
  .min(1)
  .transform((value) => new Secret(value));
const syslogUrl = z.url({ protocol: /^(?:tcp|tls)$/, error: 'must be tcp://host:port or tls://host:port' });

export const auditExports = z
  .array(
    z.discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('jsonl'),
        file: z.string().min(1).optional().describe('Appended to; unset: standard output.'),
      }),
      z.strictObject({
        kind: z.literal('otlp'),
        url: httpUrl.describe('Of the logs, such as http://collector:4318/v1/logs.'),
        authorization: secret.optional().describe('The whole Authorization header.'),
      }),
      z.strictObject({
        kind: z.literal('syslog'),
        url: syslogUrl.describe('`tcp://host:port` or `tls://host:port` (RFC 5424, framed by RFC 6587).'),
      }),
    ]),
  )
  .default([])
  .describe('Receivers of the trail as it grows; each is sent what it missed while it was away.');

export const telemetryExports = {
  metricsKey: secret.optional(),
  otlp: httpUrl.optional(),
  sampling: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Part of the calls that get a span, of those whose caller did not decide.'),
};
