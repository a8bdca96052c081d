import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openSealer } from '#core/sealer.ts';
import { heardTasks, openTaskIds, type TaskTicket, taskEvent, type Whose } from './task-ids.ts';

const ids = openTaskIds(openSealer(randomBytes(32)));
const whose = (org = 'o1', endpoint = 'e1', principal = 'p1'): Whose => ({
  organization: { id: org },
  view: { endpoint: { id: endpoint } },
  principal: { key: principal },
});

const ticket: TaskTicket = {
  binding: 'b1',
  tool: 't1',
  taskId: 'upstream-1',
  lane: 'l',
  capabilities: { elicitation: { form: {} } },
  logLevel: undefined,
  replica: 'r1',
};

test('an id opens for whom it was made, and for nobody else [C6]', () => {
  const id = ids.seal(whose(), ticket);
  expect(ids.open(whose(), id)).toEqual(ticket);
  expect(ids.open(whose('o2'), id)).toBeUndefined();
  expect(ids.open(whose('o1', 'e2'), id)).toBeUndefined();
  expect(ids.open(whose('o1', 'e1', 'p2'), id)).toBeUndefined();
  expect(ids.open(whose(), id.slice(0, -2))).toBeUndefined();
  expect(ids.open(whose(), 'upstream-1')).toBeUndefined();
});

test('an id of a call that is over holds its result', () => {
  const done = {
    binding: 'b',
    tool: 't',
    result: { content: [{ type: 'text', text: 'x' }] },
    at: '2026-01-01T00:00:00.000Z',
  };
  expect(ids.open(whose(), ids.seal(whose(), done))).toEqual(done);
});

test("what a server tells of a task is told by the client's own id, and of no other task", () => {
  const id = ids.seal(whose(), ticket);
  const heard = heardTasks(whose(), [id, 'never-was', ids.seal(whose('o2'), ticket)], ids);
  expect([...heard.keys()]).toEqual(['b1']);
  const known = heard.get('b1');
  expect(taskEvent({ taskId: 'upstream-1', status: 'working' }, known)).toEqual({ taskId: id, status: 'working' });
  expect(taskEvent({ taskId: 'upstream-2', status: 'working' }, known)).toBeUndefined();
});
