/**
 * Packages and images at exact versions (SECURITY G12, G13): what is run tomorrow is what was looked at today. Words of
 * others become arguments of a fixed program, never a shell's.
 */

const npmName = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const npmVersion = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
const pypiName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;
/** PEP 440, without ranges and local versions. */
const pypiVersion = /^(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?$/;
const imageName = /^[a-z0-9]+(?:[._-][a-z0-9]+)*(?::\d{1,5})?(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;

export type Exact = { readonly exact: string } | { readonly problem: string };

export function exactNpm(name: string, version: string | undefined): Exact {
  if (!npmName.test(name) || name.length > 214) return { problem: `"${shown(name)}" is no name of an npm package` };
  if (version === undefined || !npmVersion.test(version))
    return { problem: `"${name}" has no exact version: write ${name}@1.2.3, with the version that you looked at` };
  return { exact: `${name}@${version}` };
}

export function exactPypi(name: string, version: string | undefined): Exact {
  if (!pypiName.test(name) || name.length > 214) return { problem: `"${shown(name)}" is no name of a Python package` };
  if (version === undefined || !pypiVersion.test(version))
    return { problem: `"${name}" has no exact version: write ${name}==1.2.3, with the version that you looked at` };
  return { exact: `${name}==${version}` };
}

export interface ExactImage {
  readonly image: string;
  readonly hasDigest: boolean;
}

/** `version`: a tag, where the name has none. */
export function exactImage(given: string, version: string | undefined): ExactImage | { readonly problem: string } {
  const [named = '', digest, ...more] = given.split('@');
  const slash = named.lastIndexOf('/');
  const colon = named.indexOf(':', slash + 1);
  const name = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? version : named.slice(colon + 1);
  if (!imageName.test(name) || name.length > 255 || more.length > 0)
    return { problem: `"${shown(given)}" is no name of an image` };
  if (digest !== undefined) {
    return /^sha256:[0-9a-f]{64}$/.test(digest)
      ? { image: `${colon < 0 ? name : named}@${digest}`, hasDigest: true }
      : { problem: `"${shown(given)}" has no SHA-256 digest` };
  }
  if (tag === undefined || !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag) || !/\d/.test(tag))
    return { problem: `"${shown(given)}" has no exact version: name a tag with a version, or better its digest` };
  return { image: `${name}:${tag}`, hasDigest: false };
}

/** `@scope/name@1.2.3` as npx has it. */
export function splitNpm(spec: string): { readonly name: string; readonly version: string | undefined } {
  const at = spec.indexOf('@', 1);
  return at < 0 ? { name: spec, version: undefined } : { name: spec.slice(0, at), version: spec.slice(at + 1) };
}

/** `name==1.2.3` or `name@1.2.3` as uvx has it. */
export function splitPypi(spec: string): { readonly name: string; readonly version: string | undefined } {
  const [, name = spec, version] = /^([^=@]+)(?:==|@)(.*)$/.exec(spec) ?? [];
  return { name, version };
}

/** Of strangers' words in our sentences. */
export const shown = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 128);
