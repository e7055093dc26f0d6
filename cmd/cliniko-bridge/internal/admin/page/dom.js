// The few ways in which this page touches the document. Whatever is shown is data and goes in as text: nothing here or
// elsewhere makes a node from a string, and the page's policy (require-trusted-types-for) lets nobody.

export const byID = (id) => document.getElementById(id);

// el makes an element. Of props, those that are attributes (role, scope, aria-…, data-…) and those that are properties
// (className, type) are both given by their names. Children are nodes or text.
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name in node && !name.includes('-')) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// svg makes an element of a drawing.
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// write sets a node's text if it is another, so that nothing is laid out, read aloud or deselected for nothing.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// attribute sets an attribute if it is another; null takes it away.
export function attribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// breakable is text that may go on in the next line after each _ of a name.
export function breakable(text) {
  return text.split(/(?<=_)/).flatMap((part, i) => (i ? [document.createElement('wbr'), part] : [part]));
}

// icon is the sign of a state. It says nothing that the word beside it does not.
export function icon(state) {
  return svg('svg', { class: 'icon', 'aria-hidden': 'true' }, svg('use', { href: '#i-' + state }));
}

// mark makes node say a state, by sign, word and colour.
export function mark(node, state, word) {
  if (node.dataset.state === state && node.dataset.word === word) return;
  node.dataset.state = state;
  node.dataset.word = word;
  node.replaceChildren(icon(state), el('span', {}, word));
}

// table makes a table whose rows are grids, and so may be laid out anew on a phone; a browser that forgets what is a table when its
// display is changed is told by the roles. columns are [class, heading].
export function table(label, columns) {
  const heads = columns.map(([name, text]) => el('th', { className: name, scope: 'col', role: 'columnheader' }, text));
  const body = el('tbody', { role: 'rowgroup' });
  const node = el('table', { role: 'table', 'aria-label': label },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads)), body);
  return { node, body, heads };
}

// row makes a row for such a table: its first cell is its heading. cells has each cell by its class.
export function row(columns) {
  const cells = {};
  const node = el('tr', { role: 'row' });
  columns.forEach(([name], i) => {
    cells[name] = i === 0
      ? el('th', { className: name, scope: 'row', role: 'rowheader' })
      : el('td', { className: name, role: 'cell' });
    node.append(cells[name]);
  });
  return { node, cells };
}
