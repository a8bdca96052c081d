/** All features of the matrix, in the order of the page. */

import { contentFeatures } from './content-features.ts';
import { documentFeatures } from './documents-features.ts';
import type { Feature } from './feature.ts';
import { meanwhileFeatures } from './meanwhile-features.ts';
import { questionFeatures } from './questions-features.ts';
import { unaskedFeatures } from './unasked-features.ts';

export const features: readonly Feature[] = [
  ...contentFeatures,
  ...documentFeatures,
  ...meanwhileFeatures,
  ...questionFeatures,
  ...unaskedFeatures,
];
