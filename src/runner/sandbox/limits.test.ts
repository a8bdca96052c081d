import { describe, expect, test } from 'vitest';
import { noSandbox, openSandboxedRunners, runScript } from '#kit/sandbox.ts';

const open = openSandboxedRunners();

describe.skipIf(noSandbox !== '')('what a program may use', () => {
  test('one that takes too much memory is killed, and the reason is told [G8]', async () => {
    const hog = 'const all = []; setInterval(() => all.push(Buffer.alloc(20e6, 1)), 20)';
    const { exit } = await runScript(await open(), hog, { resources: { memoryMb: 128 } });
    expect(exit.reason).toBe('memory');
  });

  test('one that starts too many processes is killed or refused more [G8]', async () => {
    const bomb = `const { spawn } = require('child_process');
      setInterval(() => { for (let i = 0; i < 4; i++) spawn('/bin/sleep', ['60']).on('error', () => process.exit(9)) }, 10)`;
    const { exit } = await runScript(await open(), bomb, { resources: { processes: 40 } });
    expect([exit.reason, exit.code]).toEqual(exit.reason === 'processes' ? ['processes', null] : ['exited', 9]);
  });

  test('one that fills the disk or opens too many files is refused more [G8]', async () => {
    const script = `const fs = require('fs'); const until = (run) => { try { for (let i = 0; i < 10000; i++) run(i) } catch (e) { return e.code } };
      const part = Buffer.alloc(1 << 20);
      console.log(JSON.stringify([until((i) => fs.writeFileSync('/tmp/' + i, part)), until((i) => fs.writeFileSync('/work/' + i, part)), until((i) => fs.writeFileSync('/dev/shm/' + i, part)), until(() => fs.openSync('/bin/sh'))]))`;
    const { stdout } = await runScript(await open(), script, { resources: { openFiles: 64 } });
    expect(JSON.parse(stdout)).toEqual(['ENOSPC', 'ENOSPC', 'ENOSPC', 'EMFILE']);
  });

  test('one that computes without end gets no more than its share of the processor [G8]', async () => {
    const script = `const spin = () => { for (const until = Date.now() + 20; Date.now() < until; ); };
      const start = Date.now(); while (Date.now() - start < 3000) spin(); console.log(process.cpuUsage().user / 1000)`;
    const { stdout } = await runScript(await open(), script, { resources: { cpus: 0.05 } });
    expect(Number(stdout)).toBeLessThan(1500);
  });
});
