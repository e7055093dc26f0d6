// What of the view is in the address, after the #, so that it can be shared: the open account, and the filters.

const keys = ['account', 'find', 'state', 'sort', 'resource', 'verb', 'text'];

// view is what the address says; "" where it says nothing.
export const view = Object.fromEntries(keys.map((key) => [key, '']));

function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const key of keys) view[key] = said.get(key) ?? '';
}

// address is the view with what is given, as a link.
export function address(changes) {
  const said = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...view, ...changes })) if (value) said.set(key, value);
  return '#' + said;
}

// set takes over a filter. It makes no step to go back to: there would be one for each letter that is typed.
export function set(changes) {
  Object.assign(view, changes);
  history.replaceState(null, '', address({}));
}

// follow reads the address, and calls moved each time that somebody goes elsewhere by a link or by going back.
export function follow(moved) {
  read();
  window.addEventListener('hashchange', () => { read(); moved(); });
}
