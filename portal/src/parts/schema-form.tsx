/** A form made of a JSON Schema, for the arguments of tools and for questions of servers. */
import {
  Checkbox,
  Fieldset,
  JsonInput,
  MultiSelect,
  NumberInput,
  Select,
  Stack,
  TagsInput,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useState } from 'react';
import type { Choice, Field, JsonObject } from './schema.ts';

interface FormProps {
  readonly fields: readonly Field[];
  readonly value: JsonObject;
  readonly onChange: (value: JsonObject) => void;
}

export function SchemaForm({ fields, value, onChange }: FormProps) {
  const set = (name: string, given: unknown) => {
    const { [name]: _, ...others } = value;
    // The order of the schema, so that what is sent reads as what is shown.
    const next: JsonObject = given === undefined ? others : { ...others, [name]: given };
    onChange(
      Object.fromEntries(
        [...new Set([...fields.map((field) => field.name), ...Object.keys(next)])].flatMap((key) =>
          key in next ? [[key, next[key]]] : [],
        ),
      ),
    );
  };
  return (
    <Stack gap="sm">
      {fields.map((field) => (
        <OneField key={field.name} field={field} value={value[field.name]} set={(given) => set(field.name, given)} />
      ))}
    </Stack>
  );
}

interface FieldProps {
  readonly field: Field;
  readonly value: unknown;
  /** undefined: it is left out. */
  readonly set: (value: unknown) => void;
}

function OneField({ field, value, set }: FieldProps) {
  const { label, description, isRequired: required } = field;
  const common = { label, description, required };
  switch (field.kind) {
    case 'text':
      return <TextField field={field} value={value} set={set} />;
    case 'number':
      return (
        <NumberInput
          {...common}
          allowDecimal={!field.isWhole}
          min={field.min}
          max={field.max}
          clampBehavior="none"
          value={typeof value === 'number' ? value : ''}
          onChange={(given) => set(typeof given === 'number' ? given : undefined)}
        />
      );
    case 'flag':
      return (
        <Checkbox
          label={label}
          description={description}
          checked={value === true}
          onChange={({ currentTarget }) => set(currentTarget.checked)}
        />
      );
    case 'choice':
      return <ChoiceField {...common} choices={field.choices} value={value} set={set} />;
    case 'choices':
      return <ChoicesField {...common} choices={field.choices} value={value} set={set} />;
    case 'words':
      return (
        <TagsInput
          {...common}
          placeholder="Enter after each"
          value={Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []}
          onChange={(words) => set(words.length === 0 && !required ? undefined : words)}
        />
      );
    case 'group':
      return (
        <Fieldset legend={label}>
          <SchemaForm
            fields={field.fields}
            value={objectOf(value)}
            onChange={(given) => set(emptied(given, required))}
          />
        </Fieldset>
      );
    case 'json':
      return <JsonField {...common} value={value} set={set} />;
  }
}

const objectOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
const emptied = (value: JsonObject, required: boolean): JsonObject | undefined =>
  !required && Object.keys(value).length === 0 ? undefined : value;

function TextField({ field, value, set }: FieldProps) {
  const { label, description, isRequired: required } = field;
  if (field.kind !== 'text') return null;
  const { isLong, format } = field;
  const type = format === 'email' ? 'email' : format === 'date' ? 'date' : format === 'uri' ? 'url' : 'text';
  const shown = typeof value === 'string' ? value : '';
  const give = (text: string) => set(text === '' ? undefined : text);
  return isLong && type === 'text' ? (
    <Textarea
      {...{ label, description, required }}
      autosize
      minRows={1}
      maxRows={8}
      value={shown}
      onChange={({ currentTarget }) => give(currentTarget.value)}
    />
  ) : (
    <TextInput
      {...{ label, description, required, type }}
      value={shown}
      onChange={({ currentTarget }) => give(currentTarget.value)}
    />
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly description: string | undefined;
  readonly required: boolean;
  readonly choices: readonly Choice[];
  readonly value: unknown;
  readonly set: (value: unknown) => void;
}

/** Values may be anything: what is chosen is known by its place. */
const placeOf = (choices: readonly Choice[], value: unknown): string | null => {
  const place = choices.findIndex((choice) => JSON.stringify(choice.value) === JSON.stringify(value));
  return place === -1 ? null : String(place);
};
const options = (choices: readonly Choice[]) => choices.map(({ label }, i) => ({ value: String(i), label }));

function ChoiceField({ choices, value, set, ...common }: ChoiceProps) {
  return (
    <Select
      {...common}
      data={options(choices)}
      value={placeOf(choices, value)}
      onChange={(place) => set(place === null ? undefined : choices[Number(place)]?.value)}
      searchable={choices.length > 8}
      allowDeselect={!common.required}
      placeholder="Choose"
    />
  );
}

function ChoicesField({ choices, value, set, ...common }: ChoiceProps) {
  const given = Array.isArray(value) ? value : [];
  return (
    <MultiSelect
      {...common}
      data={options(choices)}
      value={given.flatMap((each) => placeOf(choices, each) ?? [])}
      onChange={(places) => set(places.length === 0 ? undefined : places.map((place) => choices[Number(place)]?.value))}
    />
  );
}

type JsonProps = Omit<ChoiceProps, 'choices'>;

function JsonField({ value, set, ...common }: JsonProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value, null, 2));
  const [isWrong, setWrong] = useState(false);
  const type = (given: string) => {
    setText(given);
    try {
      set(given.trim() === '' ? undefined : JSON.parse(given));
      setWrong(false);
    } catch {
      setWrong(true);
    }
  };
  return (
    <JsonInput
      {...common}
      placeholder="JSON"
      autosize
      minRows={2}
      maxRows={12}
      value={text}
      onChange={type}
      error={isWrong ? 'This is no JSON yet' : undefined}
    />
  );
}
