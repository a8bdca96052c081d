import { existsSync } from 'node:fs';
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

  test('memory in files without bytes counts as memory [G8]', async () => {
    const script = `const fs = require('fs'); for (let i = 0; i < 400000; i++) fs.closeSync(fs.openSync('/tmp/' + i, 'w')); console.log('done')`;
    const { exit, stdout } = await runScript(await open(), script, { resources: { memoryMb: 96 } });
    expect([exit.reason, stdout]).toEqual(['memory', '']);
  });

  test.skipIf(!existsSync('/usr/bin/python3'))('memory that no process owns is not to be had [G8]', async () => {
    const { runner } = await open();
    const script = [
      ...['import os, mmap, ctypes', 'c = ctypes.CDLL(None, use_errno=True)', 'def name(e): print(e.strerror)'],
      ...['try: os.memfd_create("x")', 'except OSError as e: name(e)'],
      ...['try: mmap.mmap(-1, 1 << 20)', 'except OSError as e: name(e)'],
      ...['for call in (c.shmget, c.semget): print(call(0, 16, 0o1600))', 'print(c.msgget(0, 0o1600))'],
      ...['d = os.open("/dev/zero", os.O_RDONLY)', 'print(os.read(d, 3), os.fstat(d).st_size)'],
      ...['import multiprocessing as m', 'q = m.Queue(); q.put("shared"); print(q.get())'],
    ].join('\n');
    const lines: string[] = [];
    await new Promise((onExit) => {
      const program = { command: '/usr/bin/python3', args: ['-c', script], env: {} };
      runner.spawn(program, { onLine: (line) => lines.push(line.toString()), onExit });
    });
    expect(lines).toEqual([
      ...['Function not implemented', 'Operation not permitted', '-1', '-1', '-1'],
      ...["b'\\x00\\x00\\x00' 67108864", 'shared'],
    ]);
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
