/** `.env` text: `NAME=value`, `export`, quotes, inline comments, `$HOME` and `${NAME:-default}`. */

/**
 * Single quotes are literal; double quotes know `\n`, `\t`, `\"`, `\\`, `\$`; a bare value ends at ` #`. References are
 * replaced outside single quotes where the variable is set, and left as they stand where it is not (`pa$$word` survives).
 */
export function parseDotenv(
  source: string,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  const line =
    /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(?:'([^']*)'|"((?:\\.|[^"\\])*)"|([^\r\n]*?))[ \t]*(?:[ \t]#[^\r\n]*)?$/gm;
  const find = (name: string) => env[name] ?? values[name];
  for (const [, name = '', single, double, bare = ''] of source.replaceAll('\r\n', '\n').matchAll(line)) {
    if (single !== undefined) values[name] = single;
    else if (double !== undefined) values[name] = unescapeText(double, find);
    else values[name] = expand(bare.startsWith('#') ? '' : bare, find);
  }
  return values;
}

type Find = (name: string) => string | undefined;

function expand(value: string, find: Find): string {
  return value.replace(
    /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}|\$([A-Za-z_]\w*)/g,
    (whole, braced: string | undefined, fallback: string | undefined, plain: string | undefined) =>
      (find(braced ?? plain ?? '') || fallback) ?? whole,
  );
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function unescapeText(value: string, find: Find): string {
  return value
    .split(/(\\.)/s)
    .map((part) => (part.startsWith('\\') ? (escapes[part[1] ?? ''] ?? part[1] ?? '') : expand(part, find)))
    .join('');
}
