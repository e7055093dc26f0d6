// The bridge's clock, as far as the page knows it, and the ages and countdowns that tick by it. The browser's own clock may be
// wrong by minutes, so it is never asked for the time, only for how much has passed.

import { write } from './dom.js';
import { duration, utcFull } from './words.js';

let told = 0; // what the bridge's clock said last, ms
let then = 0; // when that was, by performance.now()
let stopped = false;

// sync takes what the bridge says; the clock goes on from there.
export function sync(stamp) {
  told = Date.parse(stamp);
  then = performance.now();
  stopped = false;
}

// stop holds the clock where it is: while the bridge is out of reach, nothing that is shown grows older by guesswork.
export function stop() {
  told = now();
  stopped = true;
}

// now is the bridge's time in ms; 0 if it never said.
export const now = () => (told === 0 || stopped ? told : told + performance.now() - then);

// age makes node, a <time>, say how long ago at was. at is ms, or NaN: never. Unless it ticks it stays as it is.
export const age = (node, at, ticks = true) => put(node, at, ticks ? 'age' : 'still');

// due makes node, a <time>, say how long it is until at.
export const due = (node, at) => put(node, at, 'due');

function put(node, at, kind) {
  if (Number.isNaN(at)) {
    if (node.dataset.at) {
      delete node.dataset.at;
      node.removeAttribute('datetime');
      node.removeAttribute('title');
    }
    write(node, kind === 'due' ? '–' : 'never');
    return;
  }
  if (node.dataset.at !== String(at) || node.dataset.kind !== kind) {
    node.dataset.at = at;
    node.dataset.kind = kind;
    node.dateTime = new Date(at).toISOString();
    node.title = utcFull(at);
  }
  say(node);
}

function say(node) {
  const seconds = (now() - Number(node.dataset.at)) / 1000;
  if (node.dataset.kind !== 'due') write(node, duration(seconds));
  else write(node, seconds < -0.5 ? 'in ' + duration(-seconds) : 'now');
}

// tick brings all ages that are in the document up to date.
export function tick() {
  for (const node of document.querySelectorAll('time[data-at]:not([data-kind=still])')) say(node);
}
