/** Schema on a wrong call: what is wrong with the arguments, and the schema that they should have met. */
import { CfWorkerJsonSchemaValidator } from '@modelcontextprotocol/server/validators/cf-worker';
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { errorResult } from './answers.ts';
import { likenessOf } from './view.ts';
import { cleanLine } from './words.ts';

/** The SDK's interpreter of JSON Schema: no code is generated from what an upstream wrote. */
const validator = new CfWorkerJsonSchemaValidator({ shortcircuit: false });

/** References can be nested so that they multiply; with this few of them the work stays small. */
const referenceLimit = 24;
const schemaLimit = 64 * 1024;
const depthLimit = 32;
const problemLimit = 8;

/**
 * The schema without regular expressions (an upstream's pattern could run for ever; the upstream checks it itself) and,
 * where that would then be too strict, without closing an object. Undefined where it is too large to check here.
 */
function checkableSchema(schema: JsonObject): JsonObject | undefined {
  if (JSON.stringify(schema).length > schemaLimit) return undefined;
  let references = 0;
  const copy = (value: Json, depth: number): Json => {
    if (depth > depthLimit) throw new RangeError('schema is too deep');
    if (Array.isArray(value)) return value.map((item) => copy(item, depth + 1));
    if (!isJsonObject(value)) return value;
    if (['$ref', '$dynamicRef', '$recursiveRef'].some((key) => typeof value[key] === 'string')) references++;
    const open = isJsonObject(value.patternProperties);
    const kept = Object.entries(value).filter(
      ([key, member]) =>
        !((key === 'pattern' || key === 'format') && typeof member === 'string') &&
        !(open && ['patternProperties', 'additionalProperties', 'unevaluatedProperties'].includes(key)),
    );
    return Object.fromEntries(kept.map(([key, member]) => [key, copy(member, depth + 1)]));
  };
  try {
    const copied = copy(schema, 0);
    return references <= referenceLimit && isJsonObject(copied) ? copied : undefined;
  } catch (thrown) {
    if (thrown instanceof RangeError) return undefined;
    throw thrown;
  }
}

function missingAndUnknown(schema: JsonObject, args: JsonObject): readonly string[] {
  const properties = Object.keys(objectIn(schema, 'properties') ?? {});
  const required = Array.isArray(schema.required) ? schema.required.filter((name) => typeof name === 'string') : [];
  const missing = required
    .filter((name) => !Object.hasOwn(args, name))
    .map((name) => `missing: ${cleanLine(name, 64)}`);
  if (schema.additionalProperties !== false && missing.length === 0) return missing;
  const unknown = Object.keys(args).filter(
    (name) => !properties.includes(name) && schema.patternProperties === undefined,
  );
  return [...missing, ...unknown.map((name) => `unknown: ${cleanLine(name, 64)}${nearestOf(name, properties)}`)];
}

function nearestOf(name: string, names: readonly string[]): string {
  const [nearest] = names
    .map((other) => ({ other, likeness: likenessOf(name, other) }))
    .toSorted((a, b) => b.likeness - a.likeness);
  return nearest !== undefined && nearest.likeness > 0.3 ? ` (did you mean ${cleanLine(nearest.other, 64)}?)` : '';
}

/**
 * What is wrong with a call's arguments by the tool's inputSchema, at most eight lines; empty where nothing is found.
 * It never refuses what it cannot judge: patterns, formats and very large schemas are left to the upstream.
 */
export function checkArguments(schema: JsonObject | undefined, args: unknown): readonly string[] {
  return argumentChecker(schema)(args);
}

/** As `checkArguments`, for a schema that judges many calls. */
export function argumentChecker(schema: JsonObject | undefined): (args: unknown) => readonly string[] {
  let judge: ((args: JsonObject) => readonly string[]) | undefined;
  return (args) => {
    if (!isJsonObject(args)) return ['arguments must be an object'];
    if (schema === undefined) return [];
    const plain = missingAndUnknown(schema, args);
    if (plain.length > 0) return plain.slice(0, problemLimit);
    judge ??= judgeBy(schema);
    return judge(args);
  };
}

function judgeBy(schema: JsonObject): (args: JsonObject) => readonly string[] {
  const checkable = checkableSchema(schema);
  if (checkable === undefined) return () => [];
  let validate: ReturnType<typeof validator.getValidator> | undefined;
  return (args) => {
    try {
      validate ??= validator.getValidator(checkable);
      const result = validate(args);
      if (result.valid) return [];
      return result.errorMessage
        .split('; ')
        .slice(0, problemLimit)
        .map((line) => cleanLine(line, 200));
    } catch {
      // A schema that the interpreter cannot read (a strange dialect, a reference to elsewhere, a loop) judges nobody.
      return [];
    }
  };
}

/**
 * Tool result for a call that went wrong, or undefined where the arguments fit and there is no `error`: what is wrong,
 * the upstream's own words where there are any, and the schema.
 */
export function explainWrongCall(tool: JsonObject, args: unknown, error?: string): JsonObject | undefined {
  const schema = objectIn(tool, 'inputSchema');
  const problems = checkArguments(schema, args);
  if (problems.length === 0 && error === undefined) return undefined;
  const lines = [`${cleanLine(stringIn(tool, 'name') ?? 'The tool', 128)} was called wrongly.`];
  if (error !== undefined) lines.push(cleanLine(error, 1000));
  lines.push(...problems.map((problem) => `- ${problem}`));
  const written = JSON.stringify(schema ?? { type: 'object' });
  if (written.length <= schemaLimit) lines.push(`Its input schema: ${written}`);
  return errorResult(lines.join('\n'));
}
