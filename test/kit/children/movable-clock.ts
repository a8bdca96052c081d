/**
 * Loaded into a process under test (`node --import`): each SIGUSR2 moves its clock on by MOVE_CLOCK_SECONDS, from
 * CLOCK_AHEAD_SECONDS on. Timers and the database keep the real time. A line `clock moved` on standard output says that it took effect.
 */
const stepMs = Number(process.env.MOVE_CLOCK_SECONDS) * 1000;
const RealDate = Date;
const realNow = Date.now.bind(Date);
let aheadMs = Number(process.env.CLOCK_AHEAD_SECONDS ?? 0) * 1000;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args) => Reflect.construct(target, args.length === 0 ? [realNow() + aheadMs] : args),
  apply: () => new RealDate(realNow() + aheadMs).toString(),
});
Date.now = () => realNow() + aheadMs;

process.on('SIGUSR2', () => {
  aheadMs += stepMs;
  process.stdout.write(`${JSON.stringify({ msg: 'clock moved', aheadMs })}\n`);
});
