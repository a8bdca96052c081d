/** `flood`: stdout without a line end. `burst`: 300 KB of stderr, then one line. `echo`: every line back. */
const mode = process.argv[2];
if (mode === 'flood') {
  const block = Buffer.alloc(65536, 0x61);
  const write = () => {
    while (process.stdout.write(block));
    process.stdout.once('drain', write);
  };
  write();
} else if (mode === 'burst') {
  const line = `\u001b[31mkey=${process.env.API_KEY ?? ''}\u001b[0m ${'x'.repeat(80)}\n`;
  for (let i = 0; i < 3000; i++) process.stderr.write(line);
  process.stderr.write('the end\n', () => process.stdout.write('done\n'));
  process.stdin.resume();
} else {
  process.stdin.pipe(process.stdout);
}
