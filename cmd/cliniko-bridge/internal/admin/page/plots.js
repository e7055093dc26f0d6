// Events a minute and detection delay over the last hours, as two plots and as a table.

import { byID, el } from './dom.js';
import { model } from './model.js';
import { plot } from './plot.js';
import { count, delay, utc } from './words.js';

const minute = 60_000;
const tenSeconds = 10_000;

// spans are how much is shown, by how much there is: its length, that of a bucket, and that of a row of the table.
const spans = [
  [15 * minute, tenSeconds, minute],
  [60 * minute, minute / 2, 5 * minute],
  [180 * minute, minute, 10 * minute],
  [360 * minute, 2 * minute, 15 * minute],
  [720 * minute, 5 * minute, 30 * minute],
  [1440 * minute, 10 * minute, 60 * minute],
];

// gather puts points together in buckets of length ms, aligned to the clock: {from, to, rate (events a minute), median, most}.
// A bucket that holds fewer points than it could is still right: its rate is that of the points it has. A bucket without points
// is left out, and one without events has no median and no most.
export function gather(points, length) {
  const buckets = [];
  for (const point of points) {
    const from = Math.floor(point.atMs / length) * length;
    let bucket = buckets.at(-1);
    if (bucket?.from !== from) buckets.push(bucket = { from, to: from + length, points: 0, events: 0, medians: [] });
    bucket.points++;
    bucket.events += point.events;
    if (point.events > 0) {
      bucket.medians.push([point.delay_median_seconds, point.events]);
      bucket.most = Math.max(bucket.most ?? 0, point.delay_most_seconds);
    }
  }
  for (const bucket of buckets) {
    bucket.rate = (bucket.events * minute) / (bucket.points * tenSeconds);
    bucket.median = middle(bucket.medians, bucket.events);
  }
  return buckets;
}

// middle is the median of medians, each weighing as many events as it stands for: near the true one, which the points do not tell.
function middle(medians, events) {
  let passed = 0;
  for (const [value, weight] of medians.sort((a, b) => a[0] - b[0])) {
    passed += weight;
    if (passed * 2 >= events) return value;
  }
  return undefined;
}

const rate = (n) => (n < 10 && n % 1 ? n.toFixed(1) : count(n));
const delays = (bucket) => (bucket.median === undefined ? 'no event' : `median ${delay(bucket.median)}, at most ${delay(bucket.most)}`);

let drawEvents = null;
let drawDelay = null;
let drawn = null; // the newest point that is drawn

export function plots() {
  drawEvents ??= plot(byID('plot-events'), {
    title: 'Events a minute', axis: rate, bars: 'rate', least: 2,
    read: (bucket) => `${rate(bucket.rate)} a minute`,
    now: (buckets) => (buckets.length ? `highest ${rate(Math.max(...buckets.map((bucket) => bucket.rate)))}` : ''),
  });
  drawDelay ??= plot(byID('plot-delay'), {
    title: 'Detection delay', axis: (s) => (s === 0 ? '0' : s < 10 && s % 1 ? delay(s) : `${count(s)} s`), lines: ['most', 'median'], least: 1,
    read: delays,
    now: (buckets) => (buckets.some((bucket) => bucket.most !== undefined) ? `highest ${delay(Math.max(...buckets.map((bucket) => bucket.most ?? 0)))}` : ''),
  });
  const newest = model.points.at(-1);
  if (newest === drawn && drawn) return;
  drawn = newest;
  const end = newest ? newest.atMs + tenSeconds : 0;
  const [length, bucket] = span(end);
  const shown = gather(model.points.filter((point) => point.atMs >= end - length), bucket);
  drawEvents(shown, end - length, end);
  drawDelay(shown, end - length, end);
  if (byID('plot-table').open) table();
}

function span(end) {
  const there = end - (model.points[0]?.atMs ?? end);
  return spans.find(([length]) => there <= length) ?? spans.at(-1);
}

// table is made when somebody opens it.
function table() {
  const newest = model.points.at(-1);
  const end = newest ? newest.atMs + tenSeconds : 0;
  const [length, , coarse] = span(end);
  const rows = gather(model.points.filter((point) => point.atMs >= end - length), coarse).reverse();
  byID('plot-table').lastElementChild.replaceChildren(el('table', { className: 'plain' },
    el('caption', {}, 'Events a minute and detection delay, all accounts, newest first'),
    el('thead', {}, el('tr', {}, ...['from, UTC', 'events a minute', 'median delay', 'delay at most'].map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {},
      el('th', { scope: 'row' }, utc(row.from).slice(0, 5)), el('td', {}, rate(row.rate)),
      el('td', {}, row.median === undefined ? '–' : delay(row.median)), el('td', {}, row.most === undefined ? '–' : delay(row.most)))))));
}

export function followPlots() {
  byID('plot-table').addEventListener('toggle', () => { if (byID('plot-table').open) table(); });
}
