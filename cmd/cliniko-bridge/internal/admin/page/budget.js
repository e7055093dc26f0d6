// The budget as a gauge: how many requests were sent in the last minute, by lane, of how many that may be.

import { attribute, el, write } from './dom.js';
import { count, sum } from './words.js';

const lanes = ['live', 'side', 'sweep', 'baseline', 'earlier'];

// spoken says a budget in words: "61 of 180".
export const spoken = (budget) => `${count(sum(budget.spent))} of ${count(budget.per_minute)}`;

// bar makes the gauge without words, to be filled by fill. What it shows must stand beside it as text.
export function bar() {
  const node = el('span', { className: 'gauge', 'aria-hidden': 'true' });
  for (const lane of lanes) node.append(el('span', { className: 'lane ' + lane }));
  return node;
}

export function fill(node, budget) {
  const spent = budget.spent ?? {};
  const all = Math.max(budget.per_minute, sum(spent), 1);
  lanes.forEach((lane, i) => {
    const width = (100 * (spent[lane] ?? 0)) / all;
    const part = node.children[i];
    if (part.dataset.width === String(width)) return;
    part.dataset.width = width;
    part.style.width = width + '%';
  });
}

// gauge makes the gauge with its legend, and returns a function that shows a budget in it.
export function gauge(place) {
  const parts = {};
  const total = el('b');
  const legend = el('ul', { className: 'legend' }, el('li', { className: 'total' }, total, ' a minute'));
  for (const lane of lanes) {
    const n = el('b');
    parts[lane] = { n, node: el('li', {}, el('span', { className: 'key lane ' + lane }), lane + ' ', n) };
    legend.append(parts[lane].node);
  }
  const shown = bar();
  place.replaceChildren(shown, legend);
  return (budget) => {
    fill(shown, budget);
    write(total, spoken(budget));
    for (const lane of lanes) {
      const n = budget.spent?.[lane] ?? 0;
      write(parts[lane].n, count(n));
      // "earlier" is there for a minute after a start, and otherwise nothing to know about.
      attribute(parts[lane].node, 'hidden', lane === 'earlier' && n === 0 ? '' : null);
    }
  };
}
