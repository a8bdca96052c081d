/** The lines that the product must keep: id → what it says, in our words. Data only; the gate is ../requirements.ts. */
export type Line = string | DocumentLine;

/** A line that only a document can meet: covered by a test that reads the document, counted apart. */
export interface DocumentLine {
  readonly documents: true;
  readonly text: string;
}

/** Number within its system (`8`, or `1.4` for X) → line. */
export type Lines = Readonly<Record<string, Line>>;

export const inDocuments = (text: string): DocumentLine => ({ documents: true, text });

/** Numbers plain sentences from 1. */
export function numbered(lines: readonly Line[]): Lines {
  return Object.fromEntries(lines.map((line, index) => [String(index + 1), line]));
}
