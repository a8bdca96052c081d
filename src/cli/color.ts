/** Colour, where a terminal shows it and NO_COLOR is unset (no-color.org). */
import type { Io } from './io.ts';

export type Paint = (name: keyof typeof codes, text: string) => string;

const codes = { green: 32, yellow: 33, red: 31, dim: 2, bold: 1 } as const;

export function paintFor({ outIsTerminal, env }: Pick<Io, 'outIsTerminal' | 'env'>): Paint {
  if (!outIsTerminal || env.NO_COLOR) return (_name, text) => text;
  return (name, text) => `\u001b[${codes[name]}m${text}\u001b[0m`;
}
