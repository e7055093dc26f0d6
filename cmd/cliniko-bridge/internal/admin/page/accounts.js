// The list of accounts. However many there are, only those in view are in the document: the body of the table is as high as all
// of them, and the rows that can be seen lie in it at their places.

import { bar, fill, spoken } from './budget.js';
import * as clock from './clock.js';
import { attribute, byID, el, mark, row, table, write } from './dom.js';
import { address, set, view } from './link.js';
import { model } from './model.js';
import { count, duration, happened, rank, states, things } from './words.js';

const columns = [['name', 'account'], ['state', 'state'], ['lag', 'lag'], ['tracked', 'records'], ['events', 'events'], ['budget', 'budget'], ['wrong', 'faults']];
const spare = 6; // rows beyond each edge of the view

// How the list is sorted, by view.sort; the first is the default. What is equal is sorted by name.
const orders = {
  state: (a, b) => rank(a.state) - rank(b.state) || (b.faults ?? 0) - (a.faults ?? 0),
  name: () => 0,
  lag: (a, b) => (Number.isNaN(a.lagAt) ? -1 : a.lagAt) - (Number.isNaN(b.lagAt) ? -1 : b.lagAt),
};
const byName = (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

let list = []; // what is shown, filtered and sorted
let made = ''; // what list was made of
let height = 0; // of a row, px; 0: not measured
let current = ''; // the account that Tab comes to
const rows = new Map(); // name → the row in the document

const shown = table('Accounts', columns);
const box = el('div', { className: 'scroll' }, shown.node);

// accounts brings the list up to date.
export function accounts() {
  if (!model.overview) return;
  const now = JSON.stringify([model.lines, view.find, view.state, view.sort]);
  if (now !== made) {
    made = now;
    arrange();
  }
  place();
}

function arrange() {
  const find = view.find.toLowerCase();
  const found = [...model.accounts.values()].filter((line) => line.name.includes(find));
  list = found.filter((line) => !view.state || line.state === view.state)
    .sort((a, b) => (orders[view.sort] ?? orders.state)(a, b) || byName(a, b));
  if (!list.some((line) => line.name === current)) current = list[0]?.name ?? '';
  chips(found);
  const all = model.accounts.size;
  write(byID('accounts-count'), list.length === all ? count(all) : `${count(list.length)} of ${count(all)}`);
  const sorted = view.sort in orders ? view.sort : 'state';
  columns.forEach(([name], i) => {
    if (name in orders) attribute(shown.heads[i], 'aria-sort', name !== sorted ? 'none' : name === 'name' ? 'ascending' : 'descending');
  });
  shown.node.setAttribute('aria-rowcount', list.length + 1);
  attribute(byID('accounts-rows').lastElementChild, 'hidden', list.length ? '' : null);
}

// chips are the states with how many accounts are in each; one of them may be pressed, and then only its accounts are shown.
function chips(found) {
  for (const chip of byID('chips').children) {
    const { state } = chip.dataset;
    const n = found.filter((line) => line.state === state).length;
    attribute(chip, 'hidden', n > 0 || view.state === state ? null : '');
    attribute(chip, 'aria-pressed', view.state === state);
    write(chip.lastChild, count(n));
  }
}

// place puts into the document, in their order, the rows that can be seen, and the one that Tab comes to or that has the focus.
function place() {
  if (box.clientHeight === 0) return; // not shown
  height ||= measure();
  shown.body.style.height = `${list.length * height}px`;
  const head = shown.body.offsetTop;
  const from = Math.max(0, Math.floor((box.scrollTop - head) / height) - spare);
  const to = Math.min(list.length, Math.ceil((box.scrollTop - head + box.clientHeight) / height) + spare);
  const focused = [...rows.values()].find((at) => at.node.contains(document.activeElement))?.name;
  const wanted = list.map((line, i) => ({ line, i })).filter(({ line, i }) => (i >= from && i < to) || line.name === focused || line.name === current);

  const names = new Set(wanted.map(({ line }) => line.name));
  for (const [name, at] of rows) {
    if (names.has(name)) continue;
    if (name === focused) box.focus(); // its account is gone from the list: the arrow keys still work
    at.node.remove();
    rows.delete(name);
  }
  // The row in the document's order, since that is how it is read aloud. A row that is moved loses the focus.
  let next = shown.body.firstChild;
  for (const { line, i } of wanted) {
    const at = rows.get(line.name) ?? make(line.name);
    if (at.node === next) next = next.nextSibling;
    else shown.body.insertBefore(at.node, next);
    at.node.style.transform = `translateY(${i * height}px)`;
    attribute(at.node, 'aria-rowindex', i + 2);
    attribute(at.link, 'tabindex', line.name === current ? 0 : -1);
    say(at, line);
  }
  if (focused && names.has(focused)) rows.get(focused).link.focus({ preventScroll: true });
}

function measure() {
  const { node } = make('');
  rows.delete('');
  shown.body.append(node);
  const high = node.getBoundingClientRect().height;
  node.remove();
  return high;
}

function make(name) {
  const { node, cells } = row(columns);
  const link = el('a', { href: address({ account: name }), title: name }, name);
  const budget = el('span', { className: 'n' });
  const at = { name, node, cells, link, budget, gauge: bar(), lag: el('time') };
  cells.name.append(link);
  cells.lag.append(at.lag);
  cells.budget.append(at.gauge, budget);
  rows.set(name, at);
  return at;
}

function say(at, line) {
  if (at.line === line) return;
  at.line = line;
  const { cells } = at;
  at.link.href = address({ account: line.name });
  mark(cells.state, line.state, line.state);
  if (line.state === 'elsewhere') {
    write(at.lag, '');
    at.lag.removeAttribute('data-at');
    write(cells.tracked, '');
    write(cells.events, line.holder ? `followed by ${line.holder}` : 'followed by another bridge');
  } else {
    // Of many accounts that are well, the bridge says anew how they are a few at a time: what it said last is nearer than an age
    // that has grown since.
    clock.age(at.lag, line.lagAt, line.state !== 'well');
    write(cells.tracked, count(line.tracked));
    write(cells.events, line.baseline_left ? `baseline: ${count(line.baseline_left)} left, about ${duration(line.baseline_seconds_left ?? 0)}` : happened(line.events) || 'none');
  }
  cells.events.title = cells.events.textContent;
  attribute(at.gauge, 'hidden', line.state === 'elsewhere' ? '' : null);
  attribute(at.budget, 'hidden', line.state === 'elsewhere' ? '' : null);
  fill(at.gauge, line.budget);
  write(at.budget, spoken(line.budget).replace(' of ', '/'));
  write(cells.wrong, line.faults ? things(line.faults, 'fault') : '');
}

// go moves Tab's place, and the focus, to the i-th account.
function go(i) {
  const line = list[Math.min(Math.max(i, 0), list.length - 1)];
  if (!line) return;
  current = line.name;
  const top = list.indexOf(line) * height;
  const head = shown.body.offsetTop;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + head + height > box.scrollTop + box.clientHeight) box.scrollTop = top + head + height - box.clientHeight;
  place();
  rows.get(current)?.link.focus({ preventScroll: true });
}

// focusAccount comes back from an account to its row.
export function focusAccount(name) {
  go(list.findIndex((line) => line.name === name));
}

function keys(event) {
  const i = list.findIndex((line) => line.name === current);
  const page = Math.max(1, Math.floor(box.clientHeight / height) - 2);
  const to = { ArrowDown: i + 1, ArrowUp: i - 1, PageDown: i + page, PageUp: i - page, Home: 0, End: list.length - 1 }[event.key];
  if (to === undefined || event.target.tagName === 'BUTTON') return;
  event.preventDefault();
  go(to);
}

export function followAccounts(changed) {
  columns.forEach(([name, text], i) => {
    if (!(name in orders)) return;
    const button = el('button', { type: 'button' }, text);
    button.addEventListener('click', () => { set({ sort: name === 'state' ? '' : name }); changed(); });
    shown.heads[i].replaceChildren(button);
  });
  for (const state of states) {
    const chip = el('button', { type: 'button', className: 'chip', hidden: true });
    mark(chip, state, state);
    chip.append(el('b'));
    chip.addEventListener('click', () => { set({ state: view.state === state ? '' : state }); box.scrollTop = 0; changed(); });
    byID('chips').append(chip);
  }
  byID('find').addEventListener('input', () => { set({ find: byID('find').value.trim() }); box.scrollTop = 0; changed(); });
  box.tabIndex = -1;
  box.addEventListener('scroll', place, { passive: true });
  box.addEventListener('keydown', keys);
  box.addEventListener('focusin', (event) => {
    if (!event.target.title || event.target.title === current) return;
    current = event.target.title;
    place();
  });
  new ResizeObserver(() => { height = 0; place(); }).observe(box);
  byID('accounts-rows').append(box, el('p', { className: 'muted empty', hidden: true }, 'No account is like this.'));
}
