/** Limits of gatehouse.yaml: set where missing or different. What the file doesn't name is not touched. */
import { settingError } from '#core/error.ts';
import { scopeOf } from '#records/limit-rules.ts';
import type { ParsedInput } from './contract.ts';
import type { AdminRecords } from './records.ts';
import { ruleOf } from './routes/limits.ts';

export type WantedLimit = ParsedInput<'setLimit'>;

/** Throws GatehouseError `setting`. */
export async function applyLimits(
  records: AdminRecords,
  wanted: readonly WantedLimit[],
  changed: string[],
): Promise<void> {
  for (const rule of wanted) {
    const organization = await records.findOrganization(rule.organization);
    if (!organization) throw settingError(`limits.rules names an unknown organization "${rule.organization}"`);
    const names = await records.limitNames(organization.id);
    let values: ReturnType<typeof ruleOf>;
    try {
      values = ruleOf(rule, names);
    } catch (thrown) {
      throw settingError(`limits.rules: ${thrown instanceof Error ? thrown.message : 'a rule is wrong'}`, thrown);
    }
    const about = JSON.stringify([scopeOf(values), values.rate, values.concurrent]);
    const known = await records.listLimits(organization.id);
    if (known.some((found) => JSON.stringify([scopeOf(found), found.rate, found.concurrent]) === about)) continue;
    await records.setLimit(organization.id, values);
    changed.push(`limit of ${organization.slug}`);
  }
}
