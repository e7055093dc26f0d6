// The account that is open, with all its resources.

import { gauge } from './budget.js';
import * as clock from './clock.js';
import { attribute, breakable, byID, el, mark, row, table, write } from './dom.js';
import { model } from './model.js';
import { count, duration, happened, rank, things } from './words.js';

const columns = [['name', 'resource'], ['state', 'state'], ['lag', 'lag'], ['last', 'last poll'], ['next', 'next poll'], ['tracked', 'records'], ['events', 'events'], ['look', 'baseline and sweep']];

const shown = table('Resources', columns);
const rows = new Map(); // resource → its row
let budget = null;
let of = ''; // whose rows they are

// account shows the account of this name, as far as it is known.
export function account(name) {
  if (!name) return;
  const detail = model.detail?.name === name ? model.detail : null;
  const line = detail ?? model.accounts.get(name);
  write(byID('account-h'), name);
  attribute(byID('back'), 'hidden', model.accounts.size === 1 && model.accounts.has(name) ? '' : null);
  if (of !== name) {
    of = name;
    rows.clear();
    shown.body.replaceChildren();
  }
  attribute(byID('account-rows'), 'hidden', detail ? null : '');
  attribute(byID('account-budget'), 'hidden', line && model.accounts.size > 1 ? null : '');
  attribute(byID('account-state'), 'hidden', line ? null : '');
  if (!line) {
    write(byID('account-note'), model.overview ? 'There is no account of this name in the configuration.' : '');
    return;
  }
  mark(byID('account-state'), line.state, line.state);
  write(byID('account-note'), model.accounts.size > 1 ? note(line) : first(line));
  budget ??= gauge(byID('account-budget'));
  budget(line.budget);
  if (detail) place(detail.rows);
}

// first says how far the first look is, "" if it is done.
const first = ({ baseline_left: left, baseline_seconds_left: seconds }) => (left ? `baseline: ${things(left, 'record')} left, about ${duration(seconds ?? 0)}` : '');

function note(line) {
  if (line.state === 'elsewhere') return line.holder ? `Followed by another bridge: ${line.holder}` : 'Followed by another bridge.';
  const parts = [`${things(line.tracked, 'record')} of ${things(line.resources, 'resource')}`];
  if (first(line)) parts.push(first(line));
  parts.push(`since the start: ${happened(line.events) || 'no event'}`);
  return parts.join(' · ');
}

// place keeps a row for each resource, the worst first. A row is moved only if it must be.
function place(list) {
  const sorted = [...list].sort((a, b) => rank(a.state) - rank(b.state) || (a.resource < b.resource ? -1 : 1));
  const there = new Set(sorted.map((resource) => resource.resource));
  for (const [name, at] of rows) {
    if (there.has(name)) continue;
    at.node.remove();
    rows.delete(name);
  }
  sorted.forEach((resource, i) => {
    const at = rows.get(resource.resource) ?? make(resource.resource);
    if (shown.body.children[i] !== at.node) shown.body.insertBefore(at.node, shown.body.children[i] ?? null);
    say(at, resource);
  });
}

function make(name) {
  const { node, cells } = row(columns);
  const at = { node, cells, lag: el('time'), last: el('time'), next: el('time'), bar: el('progress'), look: el('span') };
  cells.name.append(...breakable(name));
  for (const key of ['lag', 'last', 'next']) cells[key].append(at[key]);
  cells.look.append(at.bar, at.look);
  rows.set(name, at);
  return at;
}

const stamp = (text) => (text ? Date.parse(text) : NaN);

function say(at, resource) {
  const { cells } = at;
  mark(cells.state, resource.state, resource.state);
  cells.name.title = resource.cursor ? `read up to ${resource.cursor}` : 'nothing read yet';
  clock.age(at.lag, resource.lagAt);
  clock.age(at.last, stamp(resource.last_poll));
  clock.due(at.next, stamp(resource.next_poll));
  write(cells.tracked, count(resource.tracked));
  write(cells.events, happened(resource.events) || 'none');
  look(at, resource);
}

// look shows the baseline while it lasts, and then the sweep.
function look(at, resource) {
  const { resource: name, baseline, baseline_left: left, baseline_seconds_left: seconds, sweep, sweeping, tracked } = resource;
  const words = [];
  if (baseline !== 'complete') {
    words.push(`baseline ${baseline}`);
    if (left) words[0] += `: ${count(left)} left, about ${duration(seconds ?? 0)}`;
  } else if (!sweep && !sweeping) {
    words.push('baseline complete');
  }
  if (sweep || sweeping) words.push(`sweep ${sweeping && !sweep?.startsWith('running') ? 'running' : ''}${sweeping && sweep && !sweep.startsWith('running') ? ', ' : ''}${sweep ?? ''}`);
  write(at.look, words.join('; '));
  attribute(at.bar, 'hidden', baseline === 'running' || sweeping ? null : '');
  if (baseline === 'running' && left) {
    at.bar.max = tracked + left;
    at.bar.value = tracked;
  } else {
    attribute(at.bar, 'value', null);
  }
  attribute(at.bar, 'aria-label', baseline === 'running' ? `baseline of ${name}` : `sweep of ${name}`);
}

byID('account-rows').append(el('div', { className: 'scroll', tabIndex: 0, role: 'region', ariaLabel: 'Resources of the account' }, shown.node));
