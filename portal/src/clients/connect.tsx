/** How somebody's client is connected to an address: what works for it, and nothing else. */
import { Alert, Anchor, Button, Group, List, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { ExternalLink } from 'lucide-react';
import { useState } from 'react';
import { CopyText } from '#portal/parts/copy.tsx';
import { clientName, fill, isPublic, linkOf, type Recipe, variableOf, wayOf } from './recipe.ts';
import { recipes } from './recipes.ts';

interface ConnectProps {
  /** As the client is to call it. */
  readonly name: string;
  readonly url: string;
  /** Where keys alone are taken; undefined: `url` takes them too. */
  readonly keysUrl?: string | undefined;
  /** How many are listed, where that is known. */
  readonly tools?: number | undefined;
  /** Where a key is made. */
  readonly keysHref?: string | undefined;
}

export function Connect({ name, url, keysUrl, tools, keysHref }: ConnectProps) {
  const [id, setId] = useState('claude-code');
  const [auth, setAuth] = useState<'oauth' | 'key'>('oauth');
  const usable = recipes.filter((recipe) => recipe.isRemote === undefined || isPublic(url));
  const recipe = usable.find((each) => each.id === id) ?? usable[0];
  if (!recipe) return null;
  const chosen = wayOf(recipe, auth) ? auth : auth === 'oauth' ? 'key' : 'oauth';
  return (
    <Stack maw={760}>
      <CopyText text={url} label="address" />
      <Group align="flex-end">
        <Select
          label="Client"
          data={['Terminals', 'Editors', 'Apps', 'Programs'].map((group) => ({
            group,
            items: usable.filter((each) => each.group === group).map((each) => ({ value: each.id, label: each.name })),
          }))}
          value={recipe.id}
          onChange={(value) => setId(value ?? 'claude-code')}
          allowDeselect={false}
          searchable
          w={280}
        />
        {recipe.auth === 'both' && (
          <SegmentedControl
            aria-label="How it proves who it is"
            value={chosen}
            onChange={(value) => setAuth(value === 'key' ? 'key' : 'oauth')}
            data={[
              { value: 'oauth', label: 'Sign-in' },
              { value: 'key', label: 'API key' },
            ]}
          />
        )}
      </Group>
      <Instructions
        recipe={recipe}
        auth={chosen}
        name={name}
        url={chosen === 'key' ? (keysUrl ?? url) : url}
        keysHref={keysHref}
      />
      {recipe.maxTools !== undefined && tools !== undefined && tools > recipe.maxTools && (
        <Alert color="yellow" title={`${recipe.name} takes at most ${recipe.maxTools} tools`}>
          <Text size="sm">There are {tools} here: publish fewer, or let it search for them (mode “search”).</Text>
        </Alert>
      )}
      {usable.length < recipes.length && (
        <Text size="sm" c="dimmed">
          Not shown are clients that connect from the internet: this gateway has no public https address.
        </Text>
      )}
    </Stack>
  );
}

interface InstructionsProps {
  readonly recipe: Recipe;
  readonly auth: 'oauth' | 'key';
  readonly name: string;
  readonly url: string;
  readonly keysHref: string | undefined;
}

function Instructions({ recipe, auth, name, url, keysHref }: InstructionsProps) {
  const way = wayOf(recipe, auth);
  if (!way) return null;
  const places = { name: clientName(name), url, variable: variableOf(name) };
  const href = way.link && linkOf(way.link, places);
  const { steps, command, file } = way;
  return (
    <Stack gap="sm">
      {auth === 'key' && (
        <Text size="sm">
          Make a key{' '}
          {keysHref !== undefined && (
            <Anchor href={keysHref} size="sm">
              here
            </Anchor>
          )}{' '}
          and put it into the variable {places.variable}: what is copied below never has the key itself.
        </Text>
      )}
      {href !== undefined && (
        <Button component="a" href={href} w="fit-content" rightSection={<ExternalLink size={16} aria-hidden />}>
          Add to {recipe.name}
        </Button>
      )}
      {steps && (
        <List size="sm" type="ordered">
          {steps.map((step) => (
            <List.Item key={step}>{fill(step, places)}</List.Item>
          ))}
        </List>
      )}
      {command !== undefined && <CopyText text={fill(command, places)} label="command" />}
      {file && (
        <div>
          <Text size="sm" mb={4}>
            {command !== undefined || href !== undefined ? 'Or write into' : 'Write into'} {file.path}:
          </Text>
          <CopyText text={fill(file.text, places)} label={file.path} />
        </div>
      )}
      {(recipe.caveats ?? []).map((caveat) => (
        <Text key={caveat} size="sm" c="dimmed">
          {caveat}
        </Text>
      ))}
    </Stack>
  );
}
