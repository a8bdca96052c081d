/** `npm run bench [-- --rounds 9 --seconds 3 --only gatehouse,relay --no-page]` */
import { parseArgs } from 'node:util';
import { aggregatedTable, measureAggregated } from './aggregated.ts';
import { measure, type Sample } from './measure.ts';
import { renderText, writePage } from './report.ts';
import { endChild, openers, startScript, type Variant } from './variants.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string' },
    'no-page': { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const names = values.only?.split(',') ?? [...Object.keys(openers), 'aggregated'];

const upstream = await startScript('upstream.ts');
const variants: Variant[] = [];
try {
  for (const name of names.filter((one) => one !== 'aggregated')) {
    const variant = await openers[name]?.(upstream.port);
    if (variant) variants.push(variant);
    else console.error(`${name}: not available here`);
  }
  const samples = new Map<Variant, Sample[]>(variants.map((variant) => [variant, []]));
  for (const variant of variants) await measure(variant, 1);
  for (let round = 1; round <= rounds; round++) {
    for (const variant of variants) samples.get(variant)?.push(await measure(variant, seconds));
    console.error(`round ${round} of ${rounds}`);
  }
  const rows = variants.map((variant) => ({ variant, samples: samples.get(variant) ?? [] }));
  if (rows.length > 0) console.log(renderText(rows));
  if (names.includes('aggregated')) {
    console.log('\nAggregated lists and bridged calls');
    for (const row of aggregatedTable(await measureAggregated(seconds))) console.log(row.join('  '));
  }
  if (!values['no-page'] && rows.length > 0)
    console.log(`\n${writePage(rows, { rounds, seconds, date: new Date().toISOString().slice(0, 10) })}`);
} finally {
  await Promise.all(variants.map((variant) => variant.close()));
  await endChild(upstream.child);
}
