/** Every client, best known first. */
import { appRecipes } from './apps.ts';
import { editorRecipes } from './editors.ts';
import type { Recipe } from './recipe.ts';
import { terminalRecipes } from './terminals.ts';

export const recipes: readonly Recipe[] = [...terminalRecipes, ...editorRecipes, ...appRecipes];
