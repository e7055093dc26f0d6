// What the page knows: the frames of the bridge, put together. All of it is bounded, however long the page is open.

import * as clock from './clock.js';

const toldKept = 2000; // events, so that a filter finds more than it would among those that are shown
const pointsKept = 24 * 360; // of ten seconds each

export const model = {
  overview: null, // the last one
  accounts: new Map(), // name → line
  lines: 0, // grows with each change of accounts
  detail: null, // of the open account
  told: [], // oldest first; each has n, its number on this page
  toldAnew: 0, // grows if told has been put together anew
  points: [], // oldest first
};

let number = 0;

// take takes a frame; whole says that it is the first of its kind on a connection.
export function take(kind, data, whole) {
  switch (kind) {
    case 'overview': return takeOverview(data, whole);
    case 'account': model.detail = { ...withLag(data), rows: (data.rows ?? []).map(withLag) }; return undefined;
    case 'told': return takeTold(data ?? [], whole);
    case 'points': return takePoints(data ?? [], whole);
    default: return undefined;
  }
}

function takeOverview(overview, whole) {
  clock.sync(overview.now);
  model.overview = overview;
  overview.ready ??= [];
  overview.faults ??= [];
  overview.lagAt = lagAt(overview.totals);
  if (whole) model.accounts.clear();
  for (const line of overview.accounts ?? []) model.accounts.set(line.name, withLag(line));
  if (whole || overview.accounts?.length) model.lines++;
}

// A lag was true when it was sent and grows from then on: what is kept is when it began.
const lagAt = ({ lag_seconds: lag }) => (lag < 0 ? NaN : clock.now() - lag * 1000);
const withLag = (line) => ({ ...line, lagAt: lagAt(line) });

// known is what an event is known by: its sequence is that of its record.
const known = (event) => [event.account, event.resource, event.id, event.sequence].join(' ');

// takeTold adds what is new. The first frame of a connection begins some time back, and is put together with what is there.
function takeTold(told, whole) {
  if (!whole || model.told.length === 0) {
    append(told);
  } else {
    const last = model.told.at(-1).atMs;
    const there = new Set(model.told.map(known));
    const fresh = told.filter((event) => !there.has(known(event)));
    // If nothing of it was known, there may be others between that nobody saw here.
    if (fresh.length > 0 && fresh.length === told.length && Date.parse(fresh[0].at) > last) fresh[0].gap = true;
    const at = (event) => Date.parse(event.at);
    const all = [...model.told, ...fresh].sort((a, b) => at(a) - at(b));
    model.told = [];
    model.toldAnew++;
    append(all);
  }
}

function append(told) {
  for (const event of told) {
    event.n = ++number;
    event.atMs = Date.parse(event.at);
    event.changed ??= [];
    model.told.push(event);
  }
  if (model.told.length > toldKept) model.told.splice(0, model.told.length - toldKept);
}

function takePoints(points, whole) {
  if (whole) model.points = [];
  for (const point of points) model.points.push({ ...point, atMs: Date.parse(point.at) });
  if (model.points.length > pointsKept) model.points.splice(0, model.points.length - pointsKept);
}
