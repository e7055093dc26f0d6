// What is told, as it happens: newest first, at most 500 rows, filtered, and held while somebody reads.

import { attribute, breakable, byID, el, row, table, write } from './dom.js';
import { address, set, view } from './link.js';
import { model } from './model.js';
import { count, delay, utc, utcFull, verbs } from './words.js';

const most = 500;

const columns = [['at', 'time'], ['verb', 'verb'], ['record', 'resource'], ['delay', 'delay'], ['changed', 'id, changed fields']];

const shown = table('Events, newest first', columns);
let last = 0; // number of the newest event that was looked at
let made = ''; // what the rows were made for
let paused = false;
const resources = new Set(); // that can be chosen

const filter = (account) => {
  const text = view.text.toLowerCase();
  return (event) => (!account || event.account === account)
    && (!view.resource || event.resource === view.resource)
    && (!view.verb || event.verb === view.verb)
    && (!text || [event.id, event.account, event.resource, ...event.changed].some((word) => word.toLowerCase().includes(text)));
};

// tail brings the rows up to date; account is the one that is open, or "".
export function tail(account) {
  choices();
  const fits = filter(account);
  const now = JSON.stringify([account, view.resource, view.verb, view.text, model.toldAnew]);
  if (now !== made) {
    made = now;
    shown.node.classList.toggle('one', account !== '' || model.accounts.size === 1);
    const all = model.told.filter((event) => !paused || event.n <= last || last === 0);
    shown.body.replaceChildren(...all.filter(fits).slice(-most).reverse().map(make));
    last = all.at(-1)?.n ?? last;
  }
  const fresh = newer(last);
  if (paused) {
    write(byID('tail-count'), fresh.length ? `paused, ${count(fresh.length)} since` : 'paused');
    return;
  }
  if (fresh.length > 0) {
    last = fresh.at(-1).n;
    shown.body.prepend(...fresh.filter(fits).slice(-most).reverse().map(make));
    while (shown.body.childElementCount > most) shown.body.lastChild.remove();
  }
  const n = shown.body.childElementCount;
  attribute(byID('tail-rows').lastElementChild, 'hidden', n || !model.overview ? '' : null);
  write(byID('tail-count'), n ? `the last ${count(n)}` : '');
}

// newer returns the events after number n; they are at the end.
function newer(n) {
  let from = model.told.length;
  while (from > 0 && model.told[from - 1].n > n) from--;
  return model.told.slice(from);
}

// make makes a row. Its link is for a pointer: Tab would come to 500 of them, and the list of accounts has the same.
function make(event) {
  const { node, cells } = row(columns);
  node.className = 'v-' + (verbs.includes(event.verb) ? event.verb : 'other');
  cells.at.append(el('time', { dateTime: event.at, title: utcFull(event.atMs) }, utc(event.atMs)));
  cells.verb.append(event.verb);
  cells.record.append(el('a', { className: 'who', tabIndex: -1, href: address({ account: event.account }) }, event.account), el('span', { className: 'who muted' }, ' / '), el('span', { className: 'what' }, ...breakable(event.resource)));
  cells.delay.append(delay(event.delay_seconds));
  cells.changed.append(el('span', { className: 'id' }, event.id), ' ', ...breakable(event.changed.join(', ')));
  const missing = event.skipped ? `${count(event.skipped)} before this are not shown: more than a page can follow` : event.gap ? 'before this, events may be missing here: the connection was lost' : '';
  if (missing) cells.changed.append(el('span', { className: 'skipped' }, missing));
  return node;
}

// choices adds the resources that have come up to those that can be chosen.
function choices() {
  const seen = new Set(resources);
  for (const event of newer(last)) seen.add(event.resource);
  for (const resource of model.detail?.rows ?? []) seen.add(resource.resource);
  if (view.resource) seen.add(view.resource);
  if (seen.size === resources.size) return;
  for (const resource of seen) resources.add(resource);
  const select = byID('tail-resource');
  select.replaceChildren(select.firstElementChild, ...[...resources].sort().map((name) => el('option', { value: name }, name)));
  select.value = view.resource;
}

// showFilters puts the filters of the address into their controls.
export function showFilters() {
  choices();
  byID('tail-resource').value = view.resource;
  byID('tail-verb').value = view.verb;
  byID('tail-text').value = view.text;
  byID('find').value = view.find;
}

export function followTail(changed) {
  byID('tail-verb').append(...verbs.map((verb) => el('option', { value: verb }, verb)));
  for (const key of ['resource', 'verb', 'text']) {
    byID('tail-' + key).addEventListener('input', (event) => { set({ [key]: event.target.value.trim() }); changed(); });
  }
  byID('pause').addEventListener('click', () => {
    paused = !paused;
    attribute(byID('pause'), 'aria-pressed', paused);
    write(byID('pause'), paused ? 'Go on' : 'Pause');
    changed();
  });
  byID('tail-rows').append(
    el('div', { className: 'scroll', tabIndex: 0, role: 'region', ariaLabel: 'Events, newest first' }, shown.node),
    el('p', { className: 'muted empty', hidden: true }, 'No event yet.'));
}
