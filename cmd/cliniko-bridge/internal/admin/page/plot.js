// One plot over time, drawn by hand: axes, one or two series, and a mark that a pointer or the arrow keys move to read the
// values. Whoever cannot see it moves the same mark, which is spoken as a slider's value is, or reads the table below.

import { el, svg, write } from './dom.js';
import { utc } from './words.js';

const edge = { left: 44, right: 10, top: 8, bottom: 20 };

const timeSteps = [1, 5, 15, 30, 60, 120, 180, 360].map((min) => min * 60_000);

// nice is the least number not below most that is easy to read, and its half too.
function nice(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= most);
}

// plot fills figure and returns a function that draws buckets, see plots.js, from begin to end (ms).
// look: {title, axis(value), read(bucket), bars: key or "", lines: [key, …], now(buckets)}.
export function plot(figure, look) {
  const reading = el('output', { className: 'reading', 'aria-hidden': 'true' });
  const legend = el('span', { className: 'series', 'aria-hidden': 'true' }, ...(look.lines ?? []).flatMap((key) => [el('span', { className: 'key line ' + key }), el('span', {}, key)]));
  const frame = el('div', {
    className: 'drawing', tabIndex: 0, role: 'slider', 'aria-label': `${look.title}; the arrow keys read it`,
    'aria-valuemin': 0, 'aria-valuemax': 0, 'aria-valuenow': 0, 'aria-valuetext': 'nothing yet',
  });
  figure.replaceChildren(el('figcaption', { className: 'top' }, el('h2', {}, look.title), legend, reading), frame);

  let buckets = [];
  let span = { begin: 0, end: 1 };
  let width = 0;
  let height = 0;
  let at = -1; // the bucket that is read; -1: none, the newest is shown
  let cross = null;

  const x = (ms) => edge.left + ((ms - span.begin) / (span.end - span.begin)) * (width - edge.left - edge.right);

  function draw() {
    width = Math.round(frame.clientWidth);
    height = Math.round(frame.clientHeight);
    if (width < 100 || buckets.length === 0) {
      frame.replaceChildren(el('p', { className: 'muted empty' }, 'Nothing yet: the first figures come within a minute.'));
      return;
    }
    const keys = look.bars ? [look.bars] : look.lines;
    const top = nice(Math.max(look.least, ...buckets.flatMap((bucket) => keys.map((key) => bucket[key] ?? 0))));
    const y = (value) => edge.top + (1 - value / top) * (height - edge.top - edge.bottom);
    const drawing = svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
    for (const value of [0, top / 2, top]) {
      drawing.append(
        svg('line', { class: 'grid', x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value) }),
        svg('text', { x: edge.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, look.axis(value)),
      );
    }
    const step = timeSteps.find((ms) => (span.end - span.begin) / ms <= (width - edge.left - edge.right) / 52) ?? timeSteps.at(-1);
    for (let ms = Math.ceil(span.begin / step) * step; ms <= span.end; ms += step) {
      if (x(ms) > width - edge.right - 14) continue;
      drawing.append(svg('text', { x: x(ms), y: height - 5, 'text-anchor': 'middle' }, utc(ms).slice(0, 5)));
    }
    if (look.bars) drawing.append(svg('path', { class: 'bars', d: bars(y) }));
    else for (const key of look.lines) drawing.append(svg('path', { class: 'line ' + key, d: line(key, y) }));
    cross = svg('g', { class: 'cross' }, svg('line', { y1: edge.top, y2: height - edge.bottom }), ...keys.map((key) => svg('circle', { r: 3.5, class: key })));
    cross.set = (bucket) => {
      cross.style.display = bucket ? '' : 'none';
      if (!bucket) return;
      const middle = x((bucket.from + bucket.to) / 2);
      cross.firstChild.setAttribute('x1', middle);
      cross.firstChild.setAttribute('x2', middle);
      keys.forEach((key, i) => {
        const circle = cross.children[i + 1];
        circle.style.display = bucket[key] === undefined ? 'none' : '';
        circle.setAttribute('cx', middle);
        circle.setAttribute('cy', y(bucket[key] ?? 0));
      });
    };
    drawing.append(cross);
    frame.replaceChildren(drawing);
    read(at);
  }

  function bars(y) {
    const thick = Math.max(1, x(buckets[0].to) - x(buckets[0].from));
    const gap = thick > 3 ? 1 : 0;
    return buckets.filter((bucket) => bucket[look.bars] > 0).map((bucket) =>
      `M${x(bucket.from).toFixed(1)} ${y(0)}V${y(bucket[look.bars]).toFixed(1)}h${(thick - gap).toFixed(1)}V${y(0)}z`).join('');
  }

  // Where nothing happened there is nothing to join: the line is broken, and one value alone is a dot.
  function line(key, y) {
    let d = '';
    let joined = false;
    for (const bucket of buckets) {
      if (bucket[key] === undefined) { joined = false; continue; }
      const point = `${x((bucket.from + bucket.to) / 2).toFixed(1)} ${y(bucket[key]).toFixed(1)}`;
      d += joined ? `L${point}` : `M${point}h.01`;
      joined = true;
    }
    return d;
  }

  function read(index) {
    at = Math.min(index, buckets.length - 1);
    const bucket = buckets[at];
    cross?.set(bucket);
    const newest = buckets.length - 1;
    frame.setAttribute('aria-valuemax', Math.max(newest, 0));
    frame.setAttribute('aria-valuenow', at < 0 ? Math.max(newest, 0) : at);
    const text = bucket ? `${utc(bucket.from).slice(0, 5)} UTC: ${look.read(bucket)}` : look.now(buckets);
    frame.setAttribute('aria-valuetext', text);
    write(reading, text);
  }

  frame.addEventListener('pointermove', (event) => {
    if (buckets.length === 0) return;
    const ms = span.begin + ((event.offsetX - edge.left) / (width - edge.left - edge.right)) * (span.end - span.begin);
    const index = buckets.findIndex((bucket) => ms < bucket.to);
    read(index < 0 ? buckets.length - 1 : index);
  });
  frame.addEventListener('pointerleave', () => read(-1));
  frame.addEventListener('blur', () => read(-1));
  frame.addEventListener('keydown', (event) => {
    const from = at < 0 ? buckets.length - 1 : at;
    const to = { ArrowLeft: from - 1, ArrowDown: from - 1, ArrowRight: from + 1, ArrowUp: from + 1, Home: 0, End: buckets.length - 1, PageUp: from + 10, PageDown: from - 10 }[event.key];
    if (event.key === 'Escape') read(-1);
    if (to === undefined || buckets.length === 0) return;
    event.preventDefault();
    read(Math.min(Math.max(at < 0 && event.key !== 'Home' ? from : to, 0), buckets.length - 1));
  });
  new ResizeObserver(() => { if (Math.round(frame.clientWidth) !== width) draw(); }).observe(frame);

  return (next, begin, end) => {
    buckets = next;
    span = { begin, end };
    draw();
  };
}
