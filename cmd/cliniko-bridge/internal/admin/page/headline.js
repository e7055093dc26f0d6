// The one sentence: is it well. It is read aloud when it changes, so nothing in it counts or ticks; what does stands below it.

import * as clock from './clock.js';
import { byID, icon, write } from './dom.js';
import { model } from './model.js';
import { count, duration, rank, things, utc } from './words.js';

// sentence says how it is: a state, what to say, and what stands below it. link is "waiting", "live" or "lost".
function sentence(link) {
  const { overview } = model;
  if (link === 'lost') {
    return overview
      ? { state: 'failing', says: 'Connection lost', more: `What is shown is as of ${utc(clock.now())} UTC. Trying again …` }
      : { state: 'failing', says: 'The bridge does not answer', more: 'Trying again …' };
  }
  if (!overview) return null;
  const { ready, faults, fault_count: wrong, totals } = overview;
  const more = figures(overview);
  if (ready.length > 0) {
    return { state: 'failing', says: `Not ready: ${ready[0]}`, more: [...ready.slice(1), more].join(' · ') };
  }
  if (wrong > 0) {
    const worst = faults.map((fault) => fault.state).sort((a, b) => rank(a) - rank(b))[0] ?? 'notice';
    return worst === 'notice'
      ? { state: 'notice', says: `Well, and ${things(wrong, 'thing')} ${wrong === 1 ? 'waits' : 'wait'} for you`, more }
      : { state: worst, says: `${things(wrong, 'thing')} ${wrong === 1 ? 'needs' : 'need'} you`, more };
  }
  if (totals.accounts > 0 && totals.followed === 0) return { state: 'elsewhere', says: 'Standing by: other bridges follow the accounts', more };
  const begun = [...model.accounts.values()].filter((line) => line.state === 'baseline').length;
  if (begun > 0) return { state: 'baseline', says: 'Well; the first look is under way', more: begun < totals.accounts ? `At ${things(begun, 'account')} · ${more}` : more };
  return { state: 'well', says: 'All is well', more };
}

function figures({ totals, started }) {
  const parts = [
    totals.followed === totals.accounts ? things(totals.accounts, 'account') : `${count(totals.followed)} of ${things(totals.accounts, 'account')} followed here`,
    things(totals.resources, 'resource'),
  ];
  return [...parts, `running for ${duration((clock.now() - Date.parse(started)) / 1000)}`].join(' · ');
}

// headline is called whenever something has come, and once a second; in a tab that nobody looks at, too, for the sake of its title.
export function headline(link) {
  write(byID('link-text'), { waiting: 'connecting', live: `live · ${utc(clock.now())} UTC`, lost: 'connection lost' }[link]);
  byID('link').dataset.is = link;
  document.body.classList.toggle('lost', link === 'lost');
  const now = sentence(link);
  if (!now) return;
  const box = byID('headline');
  if (box.dataset.state !== now.state) {
    box.dataset.state = now.state;
    byID('sign').replaceChildren(icon(now.state));
  }
  write(byID('says'), now.says);
  write(byID('more'), now.more);
  const title = `${now.says} · cliniko-bridge`;
  if (document.title !== title) document.title = title;
  if (!model.overview) return;
  write(byID('version'), model.overview.version);
  write(byID('holder'), model.overview.holder);
}
