// The page for operators. The document is a shell that is there at once; what it shows comes by GET /live (live.js), is put
// together (model.js), and each part of the page brings itself up to date from that, at most once a frame of the screen.

import { account } from './account.js';
import { accounts, focusAccount, followAccounts } from './accounts.js';
import * as clock from './clock.js';
import { attribute, byID } from './dom.js';
import { faults, followFaults } from './faults.js';
import { figures } from './figures.js';
import { headline } from './headline.js';
import { follow, view } from './link.js';
import { Live } from './live.js';
import { model, take } from './model.js';
import { followPlots, plots } from './plots.js';
import { followTail, showFilters, tail } from './tail.js';

let link = 'waiting'; // or "live" or "lost"
let drawing = false;

const live = new Live({
  frame(kind, data, whole) {
    link = 'live';
    take(kind, data, whole);
    if (kind === 'overview') {
      headline(link);
      if (open() !== live.asked && (model.accounts.has(open()) || open() === '')) live.open(open());
    }
    draw();
  },
  lost() {
    if (link === 'live') clock.stop();
    link = 'lost';
    headline(link);
  },
});

// open is the account that is open: the one of the address, or the only one there is.
function open() {
  if (view.account) return view.account;
  return model.accounts.size === 1 ? model.accounts.keys().next().value : '';
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const name = open();
    attribute(byID('account'), 'hidden', name ? null : '');
    attribute(byID('accounts'), 'hidden', name ? '' : null);
    faults(name);
    figures();
    plots();
    accounts();
    account(name);
    tail(name);
  });
}

// moved is called when the address is another: somebody opened an account, or went back.
let was = '';
function moved() {
  showFilters();
  if (view.account !== was) {
    const from = was;
    was = view.account;
    live.open(open());
    draw();
    // The focus goes where the reader went.
    requestAnimationFrame(() => (view.account ? byID('account-h').focus() : focusAccount(from)));
  }
  draw();
}

byID('skip').addEventListener('click', (event) => { event.preventDefault(); byID('main').focus(); });
byID('back').addEventListener('click', (event) => { event.preventDefault(); location.hash = backTo(); });

// backTo is the view without its account.
function backTo() {
  const said = new URLSearchParams(location.hash.slice(1));
  said.delete('account');
  return said.toString();
}

followAccounts(draw);
followFaults(draw);
followPlots();
followTail(draw);
follow(moved);
was = view.account;
showFilters();
draw();
live.open(view.account);
setInterval(() => { clock.tick(); headline(link); live.check(); }, 1000);
