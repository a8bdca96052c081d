/** Whose name requests to AWS are signed in: given keys, a web identity (EKS), a container's (ECS, EKS pods), an instance's. */
import { z } from 'zod';
import type { KmsDeps } from '#adapters/kms/kms.ts';
import { ask, form, formHeaders, readText } from '#adapters/kms/remote.ts';

const httpUrl = z.url({ protocol: /^https?$/ });

/** None of them: the instance's. */
export const credentialSettings = {
  accessKeyId: z.string().min(1).optional(),
  secretAccessKey: z.string().min(1).optional(),
  sessionToken: z.string().min(1).optional(),
  /** With `webIdentityTokenFile`: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE. */
  roleArn: z.string().min(1).optional(),
  webIdentityTokenFile: z.string().min(1).optional(),
  stsEndpoint: httpUrl.optional(),
  /** AWS_CONTAINER_CREDENTIALS_FULL_URI, and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE where there is one. */
  containerCredentialsUri: httpUrl.optional(),
  containerTokenFile: z.string().min(1).optional(),
  instanceEndpoint: httpUrl.default('http://169.254.169.254'),
};

type Settings = z.output<z.ZodObject<typeof credentialSettings>> & { readonly region: string };

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface Dated {
  readonly credentials: AwsCredentials;
  /** Unix milliseconds. */
  readonly until: number;
}

const answered = z.object({
  AccessKeyId: z.string(),
  SecretAccessKey: z.string(),
  Token: z.string(),
  Expiration: z.string(),
});

/** Renewed five minutes before they end, one at a time. */
export function openCredentials(settings: Settings, deps: KmsDeps): () => Promise<AwsCredentials> {
  const { accessKeyId, secretAccessKey, sessionToken } = settings;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    const given = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
    return () => Promise.resolve(given);
  }
  const get = settings.webIdentityTokenFile
    ? fromWebIdentity
    : settings.containerCredentialsUri
      ? fromContainer
      : fromInstance;
  let known: Dated | undefined;
  let flight: Promise<AwsCredentials> | undefined;
  return () => {
    if (known && deps.clock.now() < known.until - 300_000) return Promise.resolve(known.credentials);
    flight ??= get(settings, deps)
      .then((dated) => {
        known = dated;
        return dated.credentials;
      })
      .finally(() => {
        flight = undefined;
      });
    return flight;
  };
}

async function fromWebIdentity(settings: Settings, deps: KmsDeps): Promise<Dated> {
  const { webIdentityTokenFile = '', roleArn = '', region } = settings;
  const body = form({
    ...{ Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleSessionName: 'gatehouse' },
    ...{ RoleArn: roleArn, WebIdentityToken: await readText(deps, webIdentityTokenFile) },
  });
  const url = settings.stsEndpoint ?? `https://sts.${region}.amazonaws.com/`;
  const text = await ask({ what: 'AWS STS', url, headers: () => formHeaders, body }, deps);
  const field = (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1];
  return dated({
    ...{ AccessKeyId: field('AccessKeyId'), SecretAccessKey: field('SecretAccessKey') },
    ...{ Token: field('SessionToken'), Expiration: field('Expiration') },
  });
}

async function fromContainer(settings: Settings, deps: KmsDeps): Promise<Dated> {
  const { containerCredentialsUri: url = '', containerTokenFile } = settings;
  const headers = async (): Promise<Record<string, string>> =>
    containerTokenFile === undefined ? {} : { authorization: await readText(deps, containerTokenFile) };
  return dated(JSON.parse(await ask({ what: 'AWS container credentials', method: 'GET', url, headers }, deps)));
}

/** IMDSv2. */
async function fromInstance({ instanceEndpoint }: Settings, deps: KmsDeps): Promise<Dated> {
  const what = 'AWS instance credentials';
  const token = await ask(
    {
      ...{ what, method: 'PUT', url: `${instanceEndpoint}/latest/api/token` },
      headers: () => ({ 'x-aws-ec2-metadata-token-ttl-seconds': '21600' }),
    },
    deps,
  );
  const headers = () => ({ 'x-aws-ec2-metadata-token': token });
  const base = `${instanceEndpoint}/latest/meta-data/iam/security-credentials/`;
  const role = (await ask({ what, method: 'GET', url: base, headers }, deps)).trim().split('\n')[0] ?? '';
  return dated(JSON.parse(await ask({ what, method: 'GET', url: base + encodeURIComponent(role), headers }, deps)));
}

function dated(value: unknown): Dated {
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = answered.parse(value);
  return {
    credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token },
    until: Date.parse(Expiration),
  };
}
