/** The body of a request, by its media type. */
import { randomBytes } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject, ownIn } from '#core/json.ts';
import type { Body, Field } from './plan.ts';
import { ArgumentProblem } from './problem.ts';
import { encodeText, plainText, queryPairs } from './styles.ts';

export interface BuiltBody {
  readonly bytes: Buffer;
  readonly contentType: string;
}

/** Undefined: none. `taken`: arguments that are parameters. Throws ArgumentProblem. */
export function buildBody(body: Body, args: JsonObject, taken: ReadonlySet<string>): BuiltBody | undefined {
  const { fields, argument, kind, mediaType } = body;
  if (!fields) {
    const value = ownIn(args, argument ?? 'body');
    return value === undefined ? undefined : wholeBody(kind, mediaType, value);
  }
  const given = fields.flatMap(([name, field]): Given[] => {
    const value = ownIn(args, name);
    return value === undefined ? [] : [{ field, value }];
  });
  if (kind === 'form') return form(given, body);
  if (kind === 'multipart') return given.length > 0 || body.required ? multipart(given) : undefined;
  const own = new Set(fields.map(([name]) => name));
  const more = body.open ? Object.entries(args).filter(([name]) => !own.has(name) && !taken.has(name)) : [];
  if (given.length + more.length === 0 && !body.required) return undefined;
  const members = [...more, ...given.map(({ field, value }): [string, Json] => [field.name, value])];
  return { bytes: Buffer.from(JSON.stringify(Object.fromEntries(members))), contentType: mediaType };
}

interface Given {
  readonly field: Field;
  readonly value: Json;
}

function wholeBody(kind: Body['kind'], contentType: string, value: Json): BuiltBody {
  if (kind === 'json') return { bytes: Buffer.from(JSON.stringify(value)), contentType };
  if (kind === 'form' || kind === 'multipart') {
    if (!isJsonObject(value)) throw new ArgumentProblem('body: must be an object');
    const given = Object.entries(value).map(([name, one]): Given => {
      return { field: { name, file: false, explode: true, style: 'form' }, value: one };
    });
    return kind === 'form' ? formOf(given, contentType) : multipart(given);
  }
  if (typeof value !== 'string') throw new ArgumentProblem('body: must be a string');
  if (kind === 'text') return { bytes: Buffer.from(value), contentType: `${contentType.split(';')[0]}; charset=utf-8` };
  return { bytes: fromBase64(value, 'body'), contentType };
}

function form(given: readonly Given[], { mediaType, required }: Body): BuiltBody | undefined {
  return given.length > 0 || required ? formOf(given, mediaType) : undefined;
}

function formOf(given: readonly Given[], contentType: string): BuiltBody {
  const pairs = given.flatMap(({ field, value }) => queryPairs(field, value, encodeText));
  return { bytes: Buffer.from(pairs.join('&').replaceAll('%20', '+')), contentType };
}

/** RFC 7578; names escaped as browsers do (HTML 4.10.21.8). */
function multipart(given: readonly Given[]): BuiltBody {
  const boundary = `gatehouse-${randomBytes(18).toString('hex')}`;
  const parts = given.flatMap(({ field, value }) => {
    const values: readonly Json[] = Array.isArray(value) && (field.file || field.explode) ? value : [value];
    return values.flatMap((one) => [Buffer.from(`--${boundary}\r\n`), ...part(field, one), Buffer.from('\r\n')]);
  });
  const bytes = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  return { bytes, contentType: `multipart/form-data; boundary=${boundary}` };
}

const quoted = (text: string): string =>
  text.toWellFormed().replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');

function part({ name, file }: Field, value: Json): readonly Buffer[] {
  const disposition = `content-disposition: form-data; name="${quoted(name)}"`;
  if (!file) {
    const type = isJsonObject(value) || Array.isArray(value) ? '\r\ncontent-type: application/json' : '';
    return [Buffer.from(`${disposition}${type}\r\n\r\n${plainText(value)}`)];
  }
  const given = isJsonObject(value) ? value : { data: value };
  const { data, filename, mimeType } = given;
  if (typeof data !== 'string') throw new ArgumentProblem(`${name}.data: must be a string`);
  const type = typeof mimeType === 'string' ? mimeType : 'application/octet-stream';
  if (!/^[\w.+-]{1,64}\/[\w.+-]{1,100}$/.test(type)) throw new ArgumentProblem(`${name}.mimeType: is no media type`);
  const called = typeof filename === 'string' ? filename : 'file';
  const head = `${disposition}; filename="${quoted(called)}"\r\ncontent-type: ${type}\r\n\r\n`;
  return [Buffer.from(head), fromBase64(data, `${name}.data`)];
}

function fromBase64(text: string, name: string): Buffer {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new ArgumentProblem(`${name}: must be base64`);
  return Buffer.from(text, 'base64');
}
