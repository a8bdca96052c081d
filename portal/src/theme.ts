/** Colours and defaults: contrast of WCAG 2.2 AA in light and dark, checked by axe on every page. */
import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

const harbour: MantineColorsTuple = [
  '#e8f3fc',
  '#d3e3f3',
  '#a6c6e6',
  '#75a7d9',
  '#4e8dcd',
  '#347cc6',
  '#2473c3',
  '#1562ad',
  '#08579c',
  '#004b8a',
];

/** Its heading is no second banner of the page. */
const dialog = { closeButtonProps: { 'aria-label': 'Close' }, attributes: { header: { role: 'presentation' } } };

export const theme = createTheme({
  primaryColor: 'harbour',
  primaryShade: { light: 8, dark: 8 },
  colors: { harbour },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, monospace',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    // Never cut off: what it says is short.
    Badge: { defaultProps: { miw: 'fit-content' } },
    Modal: { defaultProps: { ...dialog, centered: true } },
    Drawer: { defaultProps: { ...dialog, position: 'right', size: 'lg' } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true } },
    Table: { defaultProps: { verticalSpacing: 'xs', highlightOnHover: true } },
  },
});

/** Mantine's grey texts are too pale for small letters. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#55606b',
    '--mantine-color-placeholder': '#626c76',
    '--mantine-color-red-light-color': '#a61e1e',
    '--mantine-color-green-light-color': '#1b6b2f',
    '--mantine-color-yellow-light-color': '#7a4d00',
    '--mantine-color-orange-light-color': '#8a3b00',
    '--mantine-color-gray-light-color': '#3f474f',
    '--mantine-color-harbour-light-color': '#004b8a',
    '--mantine-color-blue-light-color': '#0b4f8a',
    '--mantine-color-error': '#b42318',
  },
  dark: {
    '--mantine-color-dimmed': '#a9b4bf',
    '--mantine-color-placeholder': '#a0abb6',
    '--mantine-color-red-light-color': '#ffb3b0',
    '--mantine-color-green-light-color': '#8ce99a',
    '--mantine-color-yellow-light-color': '#ffe066',
    '--mantine-color-orange-light-color': '#ffc078',
    '--mantine-color-gray-light-color': '#ced4da',
    '--mantine-color-harbour-light-color': '#a6c6e6',
    '--mantine-color-blue-light-color': '#a5d8ff',
    '--mantine-color-anchor': '#75a7d9',
    '--mantine-color-error': '#ff9b94',
  },
});
