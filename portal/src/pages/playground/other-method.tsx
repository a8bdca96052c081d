/** Every other method, with its parameters as JSON. */
import { Skeleton, Stack, Text } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import { parseObject } from '#portal/parts/schema.ts';
import type { CallRequest } from './run-call.ts';
import { type CallFormProps, Orders } from './tool-form.tsx';

const CodeEditor = lazy(async () => ({ default: (await import('#portal/parts/code-editor.tsx')).CodeEditor }));

const begun: Readonly<Record<string, unknown>> = {
  'prompts/get': { name: '', arguments: {} },
  'resources/read': { uri: '' },
  'completion/complete': { ref: { type: 'ref/prompt', name: '' }, argument: { name: '', value: '' } },
};

export function OtherMethod({ method, isRunning, onRun, onCancel }: CallFormProps & { readonly method: string }) {
  const [text, setText] = useState(() => JSON.stringify(begun[method] ?? {}, null, 2));
  const params = parseObject(text);
  return (
    <Stack gap="sm">
      <Suspense fallback={<Skeleton h={160} />}>
        <CodeEditor label="Parameters as JSON" language="json" height="160px" value={text} onChange={setText} />
      </Suspense>
      {params === undefined && <Text size="sm">This is no JSON object yet.</Text>}
      <Orders
        {...{ isRunning, onCancel }}
        onRun={params && (() => onRun(params as NonNullable<CallRequest['params']>))}
      />
    </Stack>
  );
}
