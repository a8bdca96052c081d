/** What the servers with tasks do: the tools that the official suite's scenarios of tasks call by name, the same in both eras. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Form {
  readonly message: string;
  readonly field: string;
  readonly type: 'string' | 'boolean';
}

export interface Working {
  readonly args: Readonly<Record<string, unknown>>;
  /** Content of the answer. */
  readonly ask: (form: Form) => Promise<Readonly<Record<string, unknown>>>;
  readonly signal: AbortSignal;
}

export interface Job {
  readonly support: 'forbidden' | 'optional' | 'required';
  /** Asked before there is a task. */
  readonly first?: Form;
  /** Times that it ran. */
  readonly run: (working: Working) => Promise<{ readonly text: string; readonly isError?: boolean }>;
}

/** A failure of the server, not of the tool. */
export class ProtocolFault extends Error {}

export const jobs: Readonly<Record<string, Job>> = {
  greet: { support: 'forbidden', run: async ({ args }) => ({ text: `Hello, ${args.name}!` }) },
  slow_compute: {
    support: 'optional',
    async run({ args, signal }) {
      await sleep(Number(args.seconds) * 1000, undefined, { signal });
      return { text: `Computed ${args.label}` };
    },
  },
  failing_job: {
    support: 'required',
    async run({ signal }) {
      await sleep(200, undefined, { signal });
      return { text: 'It went wrong', isError: true };
    },
  },
  protocol_error_job: {
    support: 'optional',
    run: () => Promise.reject(new ProtocolFault('The worker is gone')),
  },
  confirm_delete: {
    support: 'required',
    async run({ args, ask }) {
      const { confirm } = await ask({ message: `Delete ${args.filename}?`, field: 'confirm', type: 'boolean' });
      return { text: `${args.filename}: ${confirm === true ? 'deleted' : 'kept'}` };
    },
  },
  multi_input: {
    support: 'optional',
    async run({ ask }) {
      const answers = await Promise.all(
        ['First name?', 'Second name?'].map((message) => ask({ message, field: 'name', type: 'string' })),
      );
      return { text: answers.map(({ name }) => name).join(' and ') };
    },
  },
  test_tool_with_task: {
    support: 'required',
    first: { message: 'What is your name?', field: 'name', type: 'string' },
    run: async ({ args }) => ({ text: `Worked for ${args.name}` }),
  },
};

export const elicitation = ({ message, field, type }: Form) => ({
  mode: 'form' as const,
  message,
  requestedSchema: { type: 'object' as const, properties: { [field]: { type } }, required: [field] },
});

export const toolOf = (name: string) => ({
  name,
  description: `Task fixture: ${name}`,
  inputSchema: { type: 'object' as const },
});
