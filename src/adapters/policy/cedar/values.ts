/**
 * JSON as Cedar values. Whole numbers stay `Long`, others become `decimal` (docs/guide/policies.md says where that differs
 * from ToolHive). What a policy would see differently from whoever executes the call is `unreadable`, and refused.
 */
import type { CedarValueJson } from '@cedar-policy/cedar-wasm/nodejs';

export const unreadable = Symbol('unreadable');
export type Read = CedarValueJson | undefined | typeof unreadable;

/** undefined: nothing that Cedar has a word for. `__entity` and `__extn` of strangers never get through: objects don't. */
export function readScalar(value: unknown): Read {
  if (typeof value === 'string') return value.isWellFormed() ? value : unreadable;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return readNumber(String(value));
  if (JSON.isRawJSON(value)) return readNumber(rawText(value));
  return undefined;
}

/** Of a claim: sets of scalars too. */
export function readClaim(value: unknown): Read {
  if (!Array.isArray(value)) return readScalar(value);
  const items: CedarValueJson[] = [];
  for (const item of value) {
    const read = readScalar(item);
    if (read === unreadable) return unreadable;
    if (read !== undefined) items.push(read);
  }
  return items;
}

const rawText = (value: unknown): string =>
  typeof value === 'object' && value !== null && 'rawJSON' in value ? String(value.rawJSON) : '';

/** Digits as they were sent. Cedar's decimal has four behind the point. */
function readNumber(text: string): Read {
  const [, whole, fraction = ''] = /^(-?(?:0|[1-9]\d*))(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return unreadable;
  const digits = fraction.replace(/0+$/, '');
  const number = Number(whole);
  if (!Number.isSafeInteger(number)) return unreadable;
  if (digits === '') return Object.is(number, -0) ? unreadable : number;
  if (digits.length > 4 || Math.abs(number) >= 922_337_203_685_477) return unreadable;
  return { __extn: { fn: 'decimal', arg: `${whole}.${digits}` } };
}
