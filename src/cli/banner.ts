/** What a person sees on a terminal: each step of the start with its time, then everything needed to use the gateway. */
import { type Clock, systemClock } from '#core/clock.ts';
import type { Io } from './io.ts';

export interface Banner {
  /** A step of the start begins; the one before it is done. */
  readonly step: (what: string) => void;
  /** The last step is done. */
  readonly done: () => void;
  readonly welcome: (places: Places) => void;
}

export interface Places {
  /** No trailing slash. */
  readonly url: string;
  /** Where API keys alone are accepted: clients that find a sign-in drop a key that they were given. */
  readonly keysUrl: string | undefined;
  /** MCP paths such as `/mcp`, which is everything, and `/demo/mcp/time`; the first one is used in the examples. */
  readonly endpoints: readonly string[];
  /** Of a first start only: it is shown here and never again. */
  readonly key: string | undefined;
  /** Of a first start only, too. */
  readonly account: { readonly username: string; readonly password: string } | undefined;
  /** Clients find a sign-in by themselves. */
  readonly signIn: boolean;
  /** Of the demo: opens the portal once, within ten minutes. */
  readonly portal?: string | undefined;
  /** How this command line was called. */
  readonly command: string;
}

interface About {
  readonly version: string;
  readonly demo: boolean;
  readonly clock?: Pick<Clock, 'monotonic'>;
}

type BannerIo = Pick<Io, 'out' | 'err' | 'env'>;

export function openBanner(io: BannerIo, about: About): Banner {
  const { monotonic } = about.clock ?? systemClock;
  const style = styles(io.env.NO_COLOR === undefined || io.env.NO_COLOR === '');
  const openedAt = monotonic();
  let current: { readonly what: string; readonly startedAt: number } | undefined;

  const done = () => {
    if (!current) return;
    const ms = monotonic() - current.startedAt;
    io.err(`\r\u001b[K  ${style.green('✓')} ${current.what} ${style.dim(seconds(ms))}\n`);
    current = undefined;
  };
  return {
    step(what) {
      if (current) done();
      else io.err(`\n  ${style.bold('Gatehouse')} ${about.version}${about.demo ? style.dim(' (demo)') : ''}\n\n`);
      current = { what, startedAt: monotonic() };
      // The cursor goes back: a log line that comes in between is longer and covers it.
      io.err(`  ${style.dim(`${what.slice(0, 22)} …`)}\r`);
    },
    done,
    welcome(places) {
      const ready = `Ready in ${seconds(monotonic() - openedAt)}`;
      io.out(`\n${[`  ${style.bold(ready)}`, '', ...lines({ ...places, demo: about.demo }, style)].join('\n')}\n\n`);
    },
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

type Style = ReturnType<typeof styles>;

function styles(colour: boolean) {
  const wrap = (code: number) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { bold: wrap(1), dim: wrap(2), green: wrap(32), cyan: wrap(36) };
}

function lines(
  { url, keysUrl, endpoints, key, account, signIn, command, demo, portal }: Places & { readonly demo: boolean },
  style: Style,
): readonly string[] {
  const urls = endpoints.map((path) => `${url}${path}`);
  const row = (label: string, text: string) => `  ${style.dim(label.padEnd(9))}${text}`;
  const [first] = urls;
  return [
    row('Welcome', style.cyan(`${url}/welcome`)),
    ...(portal === undefined
      ? []
      : [
          row(
            'Portal',
            `${style.cyan(`${url}/admin`)} ${style.dim('sign in, or open this, once, within ten minutes:')}`,
          ),
          row('', style.cyan(portal)),
        ]),
    ...urls.map((mcp, index) =>
      row(
        index === 0 ? 'MCP' : '',
        endpoints[index] === '/mcp' ? `${style.cyan(mcp)} ${style.dim('everything; or one server:')}` : style.cyan(mcp),
      ),
    ),
    ...(keysUrl === undefined
      ? []
      : [row('Keys', `${style.cyan(keysUrl)} ${style.dim('the same paths, API keys only')}`)]),
    ...(account === undefined ? [] : ['', row('Sign in', `${account.username} ${style.bold(account.password)}`)]),
    ...(key === undefined ? [] : [...(account ? [] : ['']), row('Key', style.bold(key))]),
    ...(key === undefined && account === undefined ? [] : [row('', style.dim('shown once: keep it now'))]),
    ...(first === undefined || !signIn ? [] : ['', ...signInRecipe(first, style)]),
    ...(first === undefined
      ? []
      : ['', ...recipes({ url: (keysUrl ?? url) + endpoints[0], endpoints, key, command }, style)]),
    '',
    ...(demo
      ? [`  ${style.dim('Servers of the demo run as plain processes, without a sandbox: on this machine only.')}`]
      : []),
    `  ${style.dim(`Ctrl+C stops. "${command} key create" makes another key, "${command} --help" lists the rest.`)}`,
  ];
}

interface Recipe {
  readonly url: string;
  readonly endpoints: readonly string[];
  readonly key: string | undefined;
  readonly command: string;
}

function signInRecipe(url: string, style: Style): readonly string[] {
  return [
    `  ${style.dim('Claude Code, signing in (other clients: add the URL alone)')}`,
    `  claude mcp add --transport http --scope user gatehouse ${url}`,
  ];
}

/** Ready to paste (ECOSYSTEM.md 1.3). Without a key at hand the examples read it from the environment. */
function recipes({ url, endpoints, key, command }: Recipe, style: Style): readonly string[] {
  const shown = key ?? '$GATEHOUSE_KEY';
  const header = `Authorization: Bearer ${shown}`;
  const code = {
    name: 'gatehouse',
    type: 'http',
    url,
    headers: { Authorization: `Bearer ${key ?? `\${env:GATEHOUSE_KEY}`}` },
  };
  const clientInfo = { name: 'curl', version: '1' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params });
  const named = endpoints.filter((path) => path !== '/mcp').map((path) => path.slice(1).replace('/mcp/', '/'));
  const time = named.find((name) => name.endsWith('/time'));
  const block = (title: string, command: string) => [`  ${style.dim(title)}`, `  ${command}`];
  return [
    ...block('Claude Code', `claude mcp add --transport http --scope user gatehouse ${url} --header "${header}"`),
    ...block('VS Code', `code --add-mcp '${JSON.stringify(code)}'`),
    ...block(
      'curl',
      `curl -s ${url} -H "${header}" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -d '${message}'`,
    ),
    ...block('Here', `${command} tools ${endpoints[0] === '/mcp' ? '' : named[0]}`.trimEnd()),
    ...(time === undefined ? [] : [`  ${command} call ${time} get_current_time '{"timezone":"UTC"}'`]),
  ];
}
