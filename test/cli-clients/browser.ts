/**
 * The person at the browser: programs that open one start a stand-in instead, which hands its URL here; the pages are
 * walked through with a password, down to the client's own callback.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { openBrowserJar, type Visited } from '#kit/browser-jar.ts';
import { listenOnLoopback } from '#kit/listen.ts';

/** Every name under which a browser is started somewhere; on the PATH before the real ones. */
const names = ['xdg-open', 'open', 'x-www-browser', 'www-browser', 'sensible-browser', 'wslview', 'browser'];

export interface Browser {
  /** For the front of PATH. */
  readonly folder: string;
  /** For BROWSER. */
  readonly program: string;
  /** The next URL that a program opens from now on. Rejects after `timeoutMs`. */
  next(timeoutMs: number): Promise<string>;
  close(): Promise<void>;
}

export async function openBrowser(folder: string): Promise<Browser> {
  const opened: string[] = [];
  let arrived = () => {};
  const door = await listenOnLoopback(
    createServer((req, res) => {
      const url = new URL(req.url ?? '/', 'http://door').searchParams.get('url');
      if (url) opened.push(url);
      arrived();
      res.end();
    }),
  );
  mkdirSync(folder, { recursive: true });
  const say = `fetch('http://127.0.0.1:${door.port}/?url=' + encodeURIComponent(process.argv.at(-1)))`;
  for (const name of names) {
    writeFileSync(join(folder, name), `#!/bin/sh\nexec "${process.execPath}" -e "${say}" -- "$@"\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return {
    folder,
    program: join(folder, 'browser'),
    next: (timeoutMs) =>
      new Promise((resolve, reject) => {
        opened.length = 0;
        const timer = setTimeout(() => reject(new Error('no browser was opened')), timeoutMs);
        arrived = () => {
          const url = opened.shift();
          if (url === undefined) return;
          clearTimeout(timer);
          resolve(url);
        };
      }),
    close: door.close,
  };
}

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** Opens what the client asked for, signs in and agrees; the client's own page, or where it sends a browser after. */
export async function signInAt(url: string, { username, password }: Account): Promise<Visited> {
  const jar = openBrowserJar((next) => !/^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])[:/]/.test(next));
  const page = await jar.open(url);
  if (!page.html.includes('name="password"'))
    throw new Error(`the sign-in page didn't come: ${page.status} ${textOf(page.html)}`);
  return jar.submit(page, { with: 'local', username, password });
}

export const textOf = (html: string): string =>
  html
    .replaceAll(/<(style|script)[\s\S]*?<\/\1>/g, ' ')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
