/** How to set up one's client for an address: a button where the client has one, commands and files to copy. */
import '@mantine/core/styles/FloatingIndicator.css';
import { Alert, Button, Chip, Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { fill, keyVariable, linkOf, type Recipe, type RecipeStep, type RecipeTarget } from '#portal/clients/recipe.ts';
import { recipes } from '#portal/clients/recipes.ts';
import { CopyText } from './copy.tsx';
import { useUrlState } from './url-state.ts';

export interface ConnectProps {
  /** What the client will call it; see `clientName`. */
  readonly name: string;
  /** Where people sign in. */
  readonly url: string;
  /** Where keys alone are taken: clients that look for sign-in first drop a key elsewhere. */
  readonly keysUrl?: string | undefined;
  /** Whether browsers can sign in here at all. */
  readonly canSignIn?: boolean;
  /** Of the address, where known: some clients take no more than so many. */
  readonly tools?: number | undefined;
}

export function Connect({ name, url, keysUrl, canSignIn = true, tools }: ConnectProps) {
  const [preferred, setPreferred] = useLocalStorage({ key: 'gatehouse.client', defaultValue: 'claude-code' });
  const [asked, setAsked] = useUrlState('client');
  const [way, setWay] = useUrlState('with');
  const recipe = recipes.find(({ id }) => id === asked) ?? recipes.find(({ id }) => id === preferred) ?? recipes[0];
  if (!recipe) return null;
  const ways = waysOf(recipe, canSignIn);
  const shown = ways.find((each) => each === way) ?? ways[0];
  const target = { name, url: shown === 'key' ? (keysUrl ?? url) : url };
  const steps = shown === undefined ? [] : (recipe[shown] ?? []);
  return (
    <Stack gap="sm">
      <fieldset className="plain-fieldset">
        <legend className="for-readers">Client</legend>
        <Chip.Group
          value={recipe.id}
          onChange={(id) => {
            setPreferred(String(id));
            setAsked(String(id));
          }}
        >
          <Group gap={6}>
            {recipes.map(({ id, title }) => (
              <Chip key={id} value={id} size="sm" radius="md">
                {title}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
      </fieldset>
      {ways.length > 1 && (
        <SegmentedControl
          aria-label="How the client proves who you are"
          w="fit-content"
          size="xs"
          value={shown ?? 'signIn'}
          onChange={setWay}
          data={[
            { value: 'signIn', label: 'Sign in' },
            { value: 'key', label: 'API key' },
          ]}
        />
      )}
      <Warnings {...{ recipe, target, tools }} isReachable={shown !== undefined} />
      {steps.map((step) => (
        <Step key={step.text} step={step} target={target} />
      ))}
      {shown === 'key' && (
        <Text size="sm" c="dimmed">
          Put a key of yours into the environment variable {keyVariable(name)} first: the key itself belongs in no file.
        </Text>
      )}
    </Stack>
  );
}

const waysOf = ({ signIn, key }: Recipe, canSignIn: boolean): readonly ('signIn' | 'key')[] => [
  ...(signIn && canSignIn ? (['signIn'] as const) : []),
  ...(key ? (['key'] as const) : []),
];

interface WarningsProps {
  readonly recipe: Recipe;
  readonly target: RecipeTarget;
  readonly tools: number | undefined;
  readonly isReachable: boolean;
}

function Warnings({ recipe, target, tools, isReachable }: WarningsProps) {
  const { title, maxTools, needsPublicAddress, caveat } = recipe;
  const said = [
    ...(isReachable ? [] : [`${title} takes no keys, and nobody can sign in to this gateway with a browser yet.`]),
    ...(needsPublicAddress && !isPublic(target.url)
      ? [`${title} connects from the vendor's machines: it needs a public https address, and this one is not.`]
      : []),
    ...(maxTools !== undefined && tools !== undefined && tools > maxTools
      ? [
          `${title} takes ${maxTools} tools in all, and here are ${tools}: choose a smaller address, or switch some off.`,
        ]
      : []),
    ...(caveat === undefined ? [] : [fill(caveat, target)]),
  ];
  return said.length === 0 ? null : (
    <Alert color="yellow" p="xs">
      {said.map((text) => (
        <Text key={text} size="sm">
          {text}
        </Text>
      ))}
    </Alert>
  );
}

function isPublic(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' && hostname !== 'localhost' && !/^(127\.|10\.|192\.168\.|\[)/.test(hostname);
}

function Step({ step, target }: { readonly step: RecipeStep; readonly target: RecipeTarget }) {
  const { text, command, file, link } = step;
  return (
    <Stack gap={4}>
      <Text size="sm">
        {fill(text, target)}
        {file && (
          <Text span size="sm" c="dimmed">
            {' '}
            {file.path}
          </Text>
        )}
      </Text>
      {link && (
        <Button component="a" href={linkOf(link, target)} w="fit-content">
          {link.label}
        </Button>
      )}
      {command !== undefined && <CopyText text={fill(command, target)} label="command" />}
      {file && <CopyText text={fill(file.text, target)} label={file.path} />}
    </Stack>
  );
}
