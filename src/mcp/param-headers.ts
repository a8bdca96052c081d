/** Header values that mirror the body (SEP-2243): plain where safe, `=?base64?…?=` otherwise. */
import { GatehouseError } from '#core/error.ts';

const sentinel = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

/** Throws GatehouseError `header_mismatch` when a sentinel's content is not canonical base64 of UTF-8. */
export function decodeHeaderValue(value: string): string {
  const encoded = sentinel.exec(value)?.[1];
  if (encoded === undefined) {
    if (/[^\x20-\x7e\t]/.test(value))
      throw new GatehouseError('header_mismatch', {
        message: 'Header mismatch: a mirrored header has characters that need base64',
      });
    return value;
  }
  const bytes = Buffer.from(encoded, 'base64');
  const text = bytes.toString('utf8');
  if (bytes.toString('base64') !== encoded || Buffer.from(text, 'utf8').compare(bytes) !== 0) {
    throw new GatehouseError('header_mismatch', {
      message: 'Header mismatch: a mirrored header is not base64 of UTF-8',
    });
  }
  return text;
}
