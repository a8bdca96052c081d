/** One field of a `Bearer` challenge (RFC 9110 11.6.1, RFC 6750 3), quoted or not; undefined: it has none, or it is none. */
export function challengeField(header: string, name: string): string | undefined {
  if (header.length > 8192 || !/\bbearer\b/i.test(header)) return undefined;
  const [, quoted, plain] = new RegExp(`(?:^|[\\s,])${name}=(?:"([^"]*)"|([^\\s,]+))`, 'i').exec(header) ?? [];
  return quoted ?? plain;
}
