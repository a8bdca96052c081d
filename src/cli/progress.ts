/** One line on a terminal's standard error while a call takes long: what the server reports, or that time goes by. */
import { type Clock, systemClock } from '#core/clock.ts';
import type { Io } from './io.ts';
import { printable } from './output.ts';

export interface Progress {
  report(progress: { readonly progress: number; readonly total?: number; readonly message?: string }): void;
  close(): void;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const firstAfterMs = 400;

export function openProgress(
  io: Pick<Io, 'err' | 'errIsTerminal'>,
  title: string,
  clock: Pick<Clock, 'monotonic'> = systemClock,
): Progress {
  if (!io.errIsTerminal) return { report: () => undefined, close: () => undefined };
  const startedAt = clock.monotonic();
  let said = '';
  let frame = 0;
  let shown = false;
  const draw = () => {
    const ms = clock.monotonic() - startedAt;
    if (ms < firstAfterMs) return;
    shown = true;
    io.err(`\r\u001b[K${frames[frame++ % frames.length]} ${printable(title)} ${said}${(ms / 1000).toFixed(1)} s`);
  };
  const timer = setInterval(draw, 100);
  return {
    report({ progress, total, message }) {
      said = `${total === undefined ? progress : `${progress}/${total}`} ${message === undefined ? '' : `${printable(message)} `}`;
      draw();
    },
    close() {
      clearInterval(timer);
      if (shown) io.err('\r\u001b[K');
      shown = false;
    },
  };
}

/** Shows that time goes by while it is worked. */
export async function watched<T>(
  io: Pick<Io, 'err' | 'errIsTerminal'>,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const progress = openProgress(io, title);
  try {
    return await work();
  } finally {
    progress.close();
  }
}
