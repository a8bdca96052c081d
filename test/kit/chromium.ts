/** A real browser, where one is installed: playwright-core drives Chromium. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

const places = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** undefined: no browser here, and what needs one is skipped. */
export const chromiumPath = places.find((path) => path !== undefined && path !== '' && existsSync(path));

export const whySkipped = 'no Chromium here: set CHROMIUM_PATH';

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath ?? '',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

/** A fresh profile, without JavaScript unless asked for. */
export function newProfile(
  browser: Browser,
  options: { readonly width?: number; readonly dark?: boolean; readonly javaScript?: boolean } = {},
): Promise<BrowserContext> {
  const { width = 1000, dark = false, javaScript = false } = options;
  return browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: dark ? 'dark' : 'light',
    javaScriptEnabled: javaScript,
  });
}
