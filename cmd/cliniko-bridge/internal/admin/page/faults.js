// What is wrong, in plain words, with what to do about it: worst first. With an account open, what is wrong with that one.

import { attribute, breakable, byID, el, mark, write } from './dom.js';
import { address } from './link.js';
import { model } from './model.js';
import { rank, things } from './words.js';

const few = 4; // are shown at first

let all = false; // all are shown, since somebody asked
let shown = ''; // what is in the document, so that it is left alone while nothing changes

// of returns the faults of account, "" for all, and how many more there are that the bridge did not send.
function of(account) {
  const { faults, fault_count: count } = model.overview;
  let mine = faults;
  let unsent = count - faults.length;
  if (account) {
    const known = new Set();
    const rows = model.detail?.name === account ? model.detail.rows : [];
    mine = [...faults.filter((fault) => fault.account === account), ...rows.flatMap((row) => (row.faults ?? []).map((fault) => ({ resource: row.resource, ...fault, account })))]
      .filter((fault) => {
        const key = `${fault.resource ?? ''} ${fault.text}`;
        return !known.has(key) && known.add(key);
      });
    unsent = 0;
  }
  return { faults: [...mine].sort((a, b) => rank(a.state) - rank(b.state)), unsent };
}

export function faults(account) {
  if (!model.overview) return;
  const { faults: list, unsent } = of(account);
  const elsewhere = account && model.accounts.size > 1 ? model.overview.fault_count - list.length : 0;
  const now = JSON.stringify([account, list, unsent, elsewhere, all]);
  if (now === shown) return;
  shown = now;
  attribute(byID('faults'), 'hidden', list.length + unsent > 0 ? null : '');
  const what = list.every((fault) => fault.state === 'notice') ? 'What waits for you' : 'What is wrong';
  write(byID('faults-h'), account ? `${what} at ${account}` : what);
  byID('faults-list').replaceChildren(...list.slice(0, all ? list.length : few).map((fault) => item(fault, account)));
  const button = byID('faults-all');
  attribute(button, 'hidden', list.length > few ? null : '');
  attribute(button, 'aria-expanded', all);
  write(button, all ? 'Show the worst alone' : `Show all ${list.length}`);
  const more = byID('faults-more');
  attribute(more, 'hidden', unsent > 0 || elsewhere > 0 ? null : '');
  write(more, unsent > 0 ? `… and ${things(unsent, 'more', 'more')}, less bad or like these` : elsewhere > 0 ? `${things(elsewhere, 'thing')} at other accounts` : '');
}

function item(fault, account) {
  const state = el('span', { className: 'state' });
  mark(state, fault.state, fault.state);
  const where = el('span', { className: 'where' });
  if (fault.account && !account) where.append(el('a', { href: address({ account: fault.account }) }, fault.account), fault.resource ? ' / ' : '');
  if (fault.resource) where.append(...breakable(fault.resource));
  return el('li', {}, state, where, el('p', {}, fault.text), el('p', { className: 'remedy' }, el('b', {}, 'What to do: '), fault.remedy));
}

export function followFaults(changed) {
  byID('faults-all').addEventListener('click', () => { all = !all; changed(); });
}
