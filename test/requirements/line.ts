/** The lines that the product must keep: id → what it says, in our words. Data only; the gate is ../requirements.ts. */
export type Line = string | DocumentLine | PartialLine;

/** A line that only a document can meet: covered by a test that reads the document, counted apart. */
export interface DocumentLine {
  readonly documents: true;
  readonly text: string;
}

/** Tests prove the rest of it; it counts as uncovered until nothing is missing. */
export interface PartialLine {
  readonly lacks: string;
  readonly text: string;
}

/** Number within its system (`8`, or `1.4` for X) → line. */
export type Lines = Readonly<Record<string, Line>>;

export const inDocuments = (text: string): DocumentLine => ({ documents: true, text });

/** `lacks`: the clause that isn't there yet, or that no test proves. */
export const partial = (text: string, lacks: string): PartialLine => ({ text, lacks });

/** Numbers plain sentences from 1. */
export function numbered(lines: readonly Line[]): Lines {
  return Object.fromEntries(lines.map((line, index) => [String(index + 1), line]));
}
