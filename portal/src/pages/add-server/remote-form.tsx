/** A server at an address: its name, how one signs in there, a test, and it is saved. */
import { Button, Group, Radio, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { call } from '#portal/api/client.ts';
import { sayRefused, useChange } from '#portal/api/hooks.ts';
import { type Greeting, GreetingPanel } from '#portal/pages/servers/greeting.tsx';
import type { Detected } from './detect.ts';
import { checkKey, EnableFor, ForWhom, KeyFields, keyOfValues, noKey } from './key-fields.tsx';

interface Props {
  readonly detected: Extract<Detected, { readonly kind: 'remote' }>;
  /** undefined: of the platform. */
  readonly organization: string | undefined;
}

export function RemoteForm({ detected, organization }: Props) {
  const [greeting, setGreeting] = useState<Greeting>();
  const [key, setKey] = useState(noKey);
  const form = useForm({
    initialValues: {
      ...{ key: detected.key, title: '', url: detected.url, transport: detected.transport as string },
      ...{ allMembers: false, signIn: 'key', enableFor: null as string | null },
    },
    validate: { key: checkKey, url: (url) => (URL.canParse(url) ? null : 'Needs an address') },
  });
  const { values } = form;
  const transport = { kind: values.transport === 'sse' ? 'sse' : 'http', url: values.url } as const;
  const given = values.signIn === 'own' ? {} : keyOfValues(key);
  const test = useTest(organization, setGreeting);
  const save = useSave(organization);
  const submit = form.onSubmit(() => save.run({ ...values, transport, given, title: values.title || values.key }));
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="Short name"
          description="In addresses and before its tools’ names."
          required
          {...form.getInputProps('key')}
        />
        <TextInput label="Title" placeholder={values.key} {...form.getInputProps('title')} />
        <TextInput label="Address" required {...form.getInputProps('url')} />
        <Radio.Group label="How it speaks" {...form.getInputProps('transport')}>
          <Group mt={4}>
            <Radio value="http" label="Streamable HTTP (the usual)" />
            <Radio value="sse" label="HTTP+SSE (old)" />
          </Group>
        </Radio.Group>
        {organization === undefined && (
          <Radio.Group label="Whose word a call is" {...form.getInputProps('signIn')}>
            <Group mt={4}>
              <Radio value="key" label="A shared key, or nobody’s" />
              <Radio value="own" label="Everybody links an account of their own" />
            </Group>
          </Radio.Group>
        )}
        {values.signIn === 'key' && <KeyFields values={key} onChange={setKey} />}
        {organization === undefined ? (
          <EnableFor value={values.enableFor} onChange={(slug) => form.setFieldValue('enableFor', slug)} />
        ) : (
          <ForWhom allMembers={values.allMembers} onChange={(on) => form.setFieldValue('allMembers', on)} />
        )}
        <Group>
          <Button variant="default" loading={test.isPending} onClick={() => test.run({ transport, ...given })}>
            Test it
          </Button>
          <Button type="submit" loading={save.isPending}>
            Save and enable
          </Button>
        </Group>
        {greeting && <GreetingPanel greeting={greeting} />}
      </Stack>
    </form>
  );
}

type Given = ReturnType<typeof keyOfValues>;
type Wish = Given & { readonly transport: { readonly kind: 'http' | 'sse'; readonly url: string } };

function useTest(organization: string | undefined, done: (greeting: Greeting) => void) {
  const own = useChange('probeOrganizationServer', { refreshes: [] });
  const platform = useChange('probeServer', { refreshes: [] });
  return {
    isPending: own.isPending || platform.isPending,
    run: (wish: Wish) =>
      organization === undefined
        ? platform.mutate(wish, { onSuccess: done })
        : own.mutate({ organization, ...wish }, { onSuccess: done }),
  };
}

interface Saving {
  readonly key: string;
  readonly title: string;
  readonly transport: Wish['transport'];
  readonly given: Given;
  readonly allMembers: boolean;
  readonly signIn: string;
  readonly enableFor: string | null;
}

function useSave(organization: string | undefined) {
  const [, navigate] = useLocation();
  const refreshes = ['listOrganizationServers', 'listServers', 'listCatalog'] as const;
  const own = useChange('createOrganizationServer', { refreshes, done: ({ title }) => `${title} is there` });
  const platform = useChange('createServer', { refreshes, done: ({ title }) => `${title} is there` });
  const [isSealing, setSealing] = useState(false);
  /** The key comes after the server that it is for. */
  const seal = async (slug: string | undefined, { key, given }: Saving) => {
    if (slug === undefined || !('credential' in given)) return;
    setSealing(true);
    await call('setCredential', { organization: slug, server: key, ...given })
      .catch(sayRefused)
      .finally(() => setSealing(false));
  };
  return {
    isPending: own.isPending || platform.isPending || isSealing,
    run(saving: Saving) {
      const { key, title, transport, allMembers, signIn, enableFor } = saving;
      if (organization !== undefined) {
        own.mutate(
          { organization, key, title, transport, allMembers },
          {
            onSuccess: async () => {
              await seal(organization, saving);
              navigate(`/o/${organization}/servers/${key}`);
            },
          },
        );
        return;
      }
      const auth = signIn === 'own' ? { auth: { kind: 'connected' as const } } : {};
      platform.mutate(
        { key, title, transport, ...auth, ...(enableFor !== null && { enableFor }) },
        {
          onSuccess: async () => {
            await seal(enableFor ?? undefined, saving);
            navigate(`/servers/${key}`);
          },
        },
      );
    },
  };
}
