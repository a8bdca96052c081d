/** All features of the matrix, in the order of the page. */
import type { Feature } from '../feature.ts';
import { contentFeatures } from './content.ts';
import { documentFeatures } from './documents.ts';
import { meanwhileFeatures } from './meanwhile.ts';
import { questionFeatures } from './questions.ts';
import { unaskedFeatures } from './unasked.ts';

export const features: readonly Feature[] = [
  ...contentFeatures,
  ...documentFeatures,
  ...meanwhileFeatures,
  ...questionFeatures,
  ...unaskedFeatures,
];
