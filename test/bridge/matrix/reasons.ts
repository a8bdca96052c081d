/** Why a cell of the matrix is empty. */
export const reasons = {
  noForms: 'Revisions before 2025-06-18 have no elicitation: the tool is told so at once and ends with an error.',
  noUrls:
    'Revisions before 2025-11-25 have no elicitation by address: the tool is told so at once and ends with an error.',
  noUrlErrors:
    'Revisions before 2025-11-25 have no error -32042: the call ends with the error of the tool, which names the address.',
  modernUrlError: 'Servers of 2026-07-28 must not answer -32042: they ask by `input_required`.',
  noAudio: '2024-11-05 has no audio: a line of text stands in its place.',
  noLinks: 'Revisions before 2025-06-18 have no links to resources: the link is shown as text.',
  noStructure: 'Revisions before 2025-06-18 have no structured content: it is shown as text.',
  noPing: '2026-07-28 has no ping.',
  cannotHear:
    'A server without sessions cannot get an answer or a cancellation: they would come in another request. That is so without a gateway as well.',
  oneConnection: 'All requests of an event stream or a WebSocket share one connection: none of them can hang up alone.',
  cannotTell: 'A server without sessions has no stream to say something unasked.',
  oneLevel: 'A server without sessions remembers no log level between requests.',
  onlyModern:
    'Only clients of 2026-07-28 hand answers in themselves; the others are asked by requests, one answer each.',
} as const;

export type Reason = keyof typeof reasons;
