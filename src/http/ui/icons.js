// The few pictograms of the controls, drawn here so that nothing is fetched for them.

import { svg } from './dom.js';

const PATHS = {
  back: 'M15 5l-7 7 7 7',
  play: 'M8 5.5v13l10.5-6.5z',
  pause: 'M8 5v14M16 5v14',
  earlier: 'M11 7l-5 5 5 5M18 7l-5 5 5 5',
  later: 'M6 7l5 5-5 5M13 7l5 5-5 5',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
};

export function icon(name) {
  const element = svg('svg', { viewBox: '0 0 24 24', class: `icon ${name}`, 'aria-hidden': 'true' });
  element.append(svg('path', { d: PATHS[name] }));
  return element;
}
