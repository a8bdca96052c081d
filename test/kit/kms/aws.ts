/** AWS KMS, STS and the metadata services of instances and containers, as far as a client of KMS meets them. */
import { createHash, createHmac } from 'node:crypto';
import { fieldsOf, type KmsAnswer, type KmsRequest, openKeyVersions, startEmulator } from './emulator.ts';

export interface AwsAccount {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export const awsKeyId = 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
/** What STS, containers and instances are given. */
export const temporary = {
  accessKeyId: 'ASIATEMPORARY',
  secretAccessKey: 'temporary-secret',
  sessionToken: 'session-1',
};

export async function startAwsEmulator(account: AwsAccount) {
  const key = openKeyVersions();
  const accounts = [account, temporary];
  return startEmulator((request, emulator) => {
    const { path, text, headers, method } = request;
    if (text.includes('AssumeRoleWithWebIdentity')) return assumeRole(text);
    if (path === '/latest/api/token') return { status: method === 'PUT' ? 200 : 405, body: 'imds-token' };
    if (path.startsWith('/latest/meta-data/')) {
      if (headers['x-aws-ec2-metadata-token'] !== 'imds-token') return { status: 401, body: '' };
      return { status: 200, body: path.endsWith('/') ? 'gatehouse-role\n' : temporaryAnswer() };
    }
    if (path === '/container') {
      return headers.authorization === 'pod-token'
        ? { status: 200, body: temporaryAnswer() }
        : { status: 401, body: '' };
    }
    if (!isSigned(request, accounts)) return refuse('InvalidSignatureException');
    if (emulator.disabled) return refuse('DisabledException');
    const { KeyId, Plaintext, CiphertextBlob, EncryptionContext } = fieldsOf(text);
    if (KeyId !== awsKeyId) return refuse('NotFoundException');
    const context = JSON.stringify(Object.entries(EncryptionContext ?? {}).sort());
    if (headers['x-amz-target'] === 'TrentService.Encrypt') {
      const blob = key.encrypt(Buffer.from(String(Plaintext), 'base64'), context).toString('base64');
      return { status: 200, body: { CiphertextBlob: blob, KeyId, EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' } };
    }
    const plain = key.decrypt(Buffer.from(String(CiphertextBlob), 'base64'), context);
    return plain
      ? { status: 200, body: { Plaintext: plain.toString('base64'), KeyId } }
      : refuse('InvalidCiphertextException');
  });
}

const refuse = (type: string): KmsAnswer => ({ status: 400, body: { __type: type, message: 'no' } });
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

const temporaryAnswer = () => ({
  ...{ Code: 'Success', AccessKeyId: temporary.accessKeyId, SecretAccessKey: temporary.secretAccessKey },
  ...{ Token: temporary.sessionToken, Expiration: inAnHour() },
});

function assumeRole(text: string): KmsAnswer {
  const form = new URLSearchParams(text);
  if (form.get('WebIdentityToken') !== 'web-identity' || form.get('RoleArn') !== 'arn:aws:iam::1:role/gatehouse')
    return { status: 403, body: '<ErrorResponse/>' };
  const { accessKeyId, secretAccessKey, sessionToken } = temporary;
  return {
    status: 200,
    body: `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
      <AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey>
      <SessionToken>${sessionToken}</SessionToken><Expiration>${inAnHour()}</Expiration>
      </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
  };
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** Signature Version 4, computed from what arrived (AWS General Reference, "Signing AWS API requests"). */
function isSigned({ method, path, headers, text }: KmsRequest, accounts: readonly AwsAccount[]): boolean {
  const parsed =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  const [, id, day = '', region = '', names = '', signature] = parsed ?? [];
  const account = accounts.find(({ accessKeyId }) => accessKeyId === id);
  const time = String(headers['x-amz-date']);
  if (!account || !time.startsWith(day) || !names.split(';').includes('host')) return false;
  if ((account.sessionToken ?? undefined) !== headers['x-amz-security-token']) return false;
  const listed = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, path, '', listed.join(''), names, sha256(text)].join('\n');
  const scope = `${day}/${region}/kms/aws4_request`;
  const steps = [day, region, 'kms', 'aws4_request'];
  const key = steps.reduce<string | Buffer>((one, step) => hmac(one, step), `AWS4${account.secretAccessKey}`);
  return hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString('hex') === signature;
}
