// The figures over all accounts: how fresh it is, how quick, how busy, how much it knows, what it spends.

import { gauge, spoken } from './budget.js';
import * as clock from './clock.js';
import { byID, write } from './dom.js';
import { model } from './model.js';
import { count, delay, happened, sum, things } from './words.js';

let lanes = null; // shows the budget; made when there is one

export function figures() {
  if (!model.overview) return;
  const { totals, lagAt } = model.overview;
  clock.age(byID('f-lag'), totals.resources === 0 ? NaN : lagAt);

  const quiet = totals.delay_most_seconds === 0;
  write(byID('f-delay'), quiet ? '–' : delay(totals.delay_median_seconds));
  write(byID('f-delay-note'), quiet ? 'no event in 5 min' : `median of 5 min; most ${delay(totals.delay_most_seconds)}`);

  // Six points are a minute.
  const minute = model.points.slice(-6);
  write(byID('f-rate'), minute.length === 0 ? '–' : count(minute.reduce((n, point) => n + point.events, 0)));
  const since = sum(totals.events);
  write(byID('f-rate-note'), since === 0 ? 'none since the start' : `since the start: ${happened(totals.events)}`);

  write(byID('f-tracked'), count(totals.tracked));
  write(byID('f-tracked-note'), `known, of ${things(totals.resources, 'resource')}`);

  write(byID('f-budget'), spoken(totals.budget));
  lanes ??= gauge(byID('f-lanes'));
  lanes(totals.budget);
}
