// Numbers, times and states as the page says them.

// states are those of an account or resource, worst first.
export const states = ['failing', 'late', 'notice', 'baseline', 'elsewhere', 'well'];

export const verbs = ['created', 'updated', 'cancelled', 'archived', 'restored', 'deleted', 'snapshot'];

// rank is small for a bad state; one that is not known yet is the worst.
export const rank = (state) => states.indexOf(state);

export const count = (n) => Math.round(n).toLocaleString('en');

export const things = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

// duration says seconds as an age or a wait: "12 s", "3 min", "2 h 05 min", "4 d".
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 100) return `${s} s`;
  const min = Math.round(s / 60);
  if (min < 100) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 48) return `${h} h ${String(min % 60).padStart(2, '0')} min`;
  return `${Math.floor(h / 24)} d`;
}

// delay says seconds with a tenth where that tells something.
export const delay = (seconds) => (seconds < 9.95 ? `${seconds.toFixed(1)} s` : duration(seconds));

// utc says ms since 1970 as a time of day, utcFull with the date.
export const utc = (ms) => new Date(ms).toISOString().slice(11, 19);
export const utcFull = (ms) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';

// happened says what events there were, by verb: "71 updated, 3 created"; the most first.
export function happened(events) {
  return Object.entries(events ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1])
    .map(([verb, n]) => `${count(n)} ${verb}`).join(', ');
}

export const sum = (counts) => Object.values(counts ?? {}).reduce((all, n) => all + n, 0);
