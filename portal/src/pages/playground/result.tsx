/** What a tool said, as people read it. Nothing of it is run, loaded or followed. */
import { Alert, Code, Stack, Text } from '@mantine/core';

type Bag = Readonly<Record<string, unknown>>;
const bag = (value: unknown): Bag | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Bag) : undefined;
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function Result({ message }: { readonly message: Bag }) {
  const error = bag(message.error);
  if (error)
    return (
      <Alert color="red" title={`Error ${String(error.code ?? '')}`} mt="xs">
        <Text size="sm" className="as-written">
          {String(error.message ?? 'no message')}
        </Text>
      </Alert>
    );
  const result = bag(message.result);
  const parts = list(result?.content);
  const body = parts.map((part, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: parts have no name and never move
    <Part key={i} part={bag(part) ?? {}} />
  ));
  if (result?.isError === true)
    return (
      <Alert color="orange" title="The tool says that it failed" mt="xs">
        {body}
      </Alert>
    );
  return parts.length === 0 ? null : (
    <Stack gap={6} mt="xs">
      {body}
    </Stack>
  );
}

function Part({ part }: { readonly part: Bag }) {
  const { type, text, mimeType, data, uri, name } = part;
  if (type === 'text' && typeof text === 'string')
    return (
      <Code block tabIndex={0} aria-label="Text of the answer" className="copied">
        {text}
      </Code>
    );
  const bytes = typeof data === 'string' ? Math.round((data.length * 3) / 4) : undefined;
  const resource = bag(part.resource);
  const named = uri ?? resource?.uri ?? name;
  return (
    <Text size="sm">
      {String(type ?? 'something')}
      {typeof mimeType === 'string' && ` (${mimeType})`}
      {bytes !== undefined && `, ${bytes.toLocaleString('en')} bytes`}
      {typeof named === 'string' && `: ${named}`}
    </Text>
  );
}
