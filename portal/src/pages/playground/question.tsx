/** What a server asks in the middle of a call, and the answers that go with the next one. */
import { Alert, Anchor, Button, Group, JsonInput, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { safeHref } from '#portal/parts/safe-href.ts';
import { fallbacksOf, fieldsOf, type JsonObject, missingOf, parseObject } from '#portal/parts/schema.ts';
import { SchemaForm } from '#portal/parts/schema-form.tsx';
import type { CallRequest, Question } from './run-call.ts';

type Answers = NonNullable<CallRequest['inputResponses']>;
type Answer = Answers[string];

const bag = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

interface QuestionProps {
  readonly question: Question;
  readonly onAnswer: (answers: Answers) => void;
}

/** Several may be asked at once: they are sent together. */
export function QuestionForm({ question, onAnswer }: QuestionProps) {
  const asked = Object.entries(question.inputRequests);
  const [answers, setAnswers] = useState<Answers>({});
  const answer = (id: string, given: Answer) => {
    const all = { ...answers, [id]: given };
    setAnswers(all);
    if (asked.every(([each]) => each in all)) onAnswer(all);
  };
  return (
    <Stack gap="sm" role="group" aria-label="Question of the server">
      {asked.map(([id, request]) =>
        id in answers ? null : <OneQuestion key={id} request={bag(request)} onAnswer={(given) => answer(id, given)} />,
      )}
      {asked.length === 0 && (
        <Button w="fit-content" onClick={() => onAnswer({})}>
          Go on
        </Button>
      )}
    </Stack>
  );
}

interface OneProps {
  readonly request: JsonObject;
  readonly onAnswer: (answer: Answer) => void;
}

function OneQuestion({ request, onAnswer }: OneProps) {
  const params = bag(request.params);
  if (request.method !== 'elicitation/create') return <AsJson request={request} onAnswer={onAnswer} />;
  return params.mode === 'url' ? (
    <Elsewhere params={params} onAnswer={onAnswer} />
  ) : (
    <Elicited params={params} onAnswer={onAnswer} />
  );
}

interface AskedProps {
  readonly params: JsonObject;
  readonly onAnswer: (answer: Answer) => void;
}

function Elicited({ params, onAnswer }: AskedProps) {
  const fields = fieldsOf(bag(params.requestedSchema));
  const [value, setValue] = useState<JsonObject>(() => fallbacksOf(fields));
  const missing = missingOf(fields, value);
  return (
    <Alert color="yellow" title="The server asks">
      <Stack>
        <Text size="sm" className="as-written">
          {String(params.message ?? '')}
        </Text>
        <Text size="xs">It comes from the server: give no password here.</Text>
        <SchemaForm fields={fields} value={value} onChange={setValue} />
        {missing.length > 0 && <Text size="sm">Still needed: {missing.join(', ')}</Text>}
        <Group gap="xs">
          <Button
            disabled={missing.length > 0}
            onClick={() => onAnswer({ action: 'accept', content: value as { [name: string]: Answer } })}
          >
            Answer
          </Button>
          <Refusals onAnswer={onAnswer} />
        </Group>
      </Stack>
    </Alert>
  );
}

const Refusals = ({ onAnswer }: Pick<OneProps, 'onAnswer'>) => (
  <>
    <Button variant="default" onClick={() => onAnswer({ action: 'decline' })}>
      Decline
    </Button>
    <Button variant="subtle" onClick={() => onAnswer({ action: 'cancel' })}>
      Not now
    </Button>
  </>
);

function Elsewhere({ params, onAnswer }: AskedProps) {
  const href = safeHref(typeof params.url === 'string' ? params.url : undefined);
  return (
    <Alert color="yellow" title="The server asks you to open an address">
      <Stack>
        <Text size="sm" className="as-written">
          {String(params.message ?? '')}
        </Text>
        {href === undefined ? (
          <Text size="sm">Its address is no https address, so there is no link to it.</Text>
        ) : (
          <Anchor href={href} target="_blank" rel="noopener noreferrer" className="as-written">
            {href}
          </Anchor>
        )}
        <Group gap="xs">
          <Button disabled={href === undefined} onClick={() => onAnswer({ action: 'accept' })}>
            I have opened it
          </Button>
          <Refusals onAnswer={onAnswer} />
        </Group>
      </Stack>
    </Alert>
  );
}

const begun: Readonly<Record<string, unknown>> = {
  'roots/list': { roots: [] },
  'sampling/createMessage': {
    ...{ role: 'assistant', model: 'me', stopReason: 'endTurn' },
    content: { type: 'text', text: '' },
  },
};

/** What a client's model or machine would answer: here a person does. */
function AsJson({ request, onAnswer }: OneProps) {
  const method = String(request.method);
  const [text, setText] = useState(() => JSON.stringify(begun[method] ?? {}, null, 2));
  const parsed = parseObject(text);
  return (
    <Alert color="yellow" title={`The server asks your client: ${method}`}>
      <Stack>
        <JsonInput
          label="What was asked"
          readOnly
          autosize
          maxRows={12}
          value={JSON.stringify(request.params, null, 2)}
        />
        <JsonInput label="Answer" autosize minRows={4} maxRows={16} value={text} onChange={setText} />
        <Button
          w="fit-content"
          disabled={parsed === undefined}
          onClick={() => parsed && onAnswer(parsed as { [name: string]: Answer })}
        >
          Answer
        </Button>
      </Stack>
    </Alert>
  );
}
