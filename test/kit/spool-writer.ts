/**
 * A process that is made to be killed: writes call records for ever, prints the id of each one that was acknowledged, and
 * inserts (slowly) by appending ids to a file. Arguments: spool directory, file of inserted ids, bytes of a segment.
 */
import { appendFileSync, writeSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { callRecord } from '#kit/call-records.ts';
import { openSpool } from '#records/spool.ts';

const [directory = '', inserted = '', segmentBytes = '8192'] = process.argv.slice(2);
const spool = openSpool({
  directory,
  clock: systemClock,
  log: silentLog,
  flushEveryMs: 20,
  segmentBytes: Number(segmentBytes),
  insert: async (records) => {
    await after(5);
    appendFileSync(inserted, records.map((record) => `${record.id}\n`).join(''));
  },
});

function writeSome(): void {
  for (let i = 0; i < 7; i++) {
    const record = callRecord({ name: 'ü'.repeat(Math.floor(Math.random() * 300)) });
    spool.record(record, () => writeSync(1, `${record.id}\n`));
  }
  setTimeout(writeSome, Math.random() * 3);
}
writeSome();
