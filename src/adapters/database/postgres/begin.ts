import pg from 'pg';

const isBegin = /^(?:begin|start transaction)\b/;
const isEnd = /^(?:commit|rollback)$/;

/**
 * BEGIN travels with the first statement of its transaction, in one message: two round trips less for whoever reads one row.
 * Of a message PostgreSQL runs the statements in their order and none after one that fails (protocol, 54.2.2.1), so
 * nothing of a transaction is ever run outside it. A statement with parameters can't be in such a message: before it
 * BEGIN goes alone.
 */
export function joinBegin(client: pg.PoolClient): void {
  const query = client.query.bind(client);
  /** Asked for, not sent yet. */
  let due: string | undefined;
  /** Why the message with BEGIN got no answer: what the transaction failed of. */
  let unanswered: unknown;

  async function asked(text: string, values: unknown[] = []) {
    if (isBegin.test(text)) {
      due = text;
      return nothing('BEGIN');
    }
    if (unanswered !== undefined && text === 'rollback') throw unanswered;
    const begin = due;
    due = undefined;
    if (begin === undefined) return query(text, values);
    if (isEnd.test(text)) return nothing(text.toUpperCase());
    if (values.length === 0) return together(begin, text);
    await query(begin);
    return query(text, values);
  }

  async function together(begin: string, text: string) {
    try {
      const results: unknown = await query(`${begin}; ${text}`);
      return Array.isArray(results) ? results.at(-1) : results;
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) unanswered = error;
      throw error;
    }
  }

  Object.assign(client, { query: asked });
}

const nothing = (command: string) => ({ command, rowCount: 0, rows: [] });
