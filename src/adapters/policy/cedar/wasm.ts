/** The library, loaded when the first policy is: it takes 40 ms and 16 MB, and most gateways begin without one. */
import { createRequire } from 'node:module';

type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs');

const require = createRequire(import.meta.url);
let loaded: Cedar | undefined;

export function cedar(): Cedar {
  loaded ??= require('@cedar-policy/cedar-wasm/nodejs') as Cedar;
  return loaded;
}
