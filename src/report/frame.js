'use strict';
// The frame of the report: the data of #data, what is shown and hidden, sections, filters, and tables
// that sort. page.js fills it.

const data = JSON.parse(document.getElementById('data').textContent);
const state = {
  hiddenVariants: new Set(), hiddenSizes: new Set(),
  scales: 'log-log', whole: false, training: true, validation: true, seeds: true, run: null,
};
const groups = data.groups;
const kDashes = ['', '7 4', '2 4', '9 3 2 3', '12 5', '4 2'];
const colorOf = variant => data.variants.length > 8 && variant > 7
    ? `hsl(${(variant * 137) % 360} 55% 50%)` : `var(--c${variant % 8})`;
const shown = group => !state.hiddenVariants.has(group.variant) && !state.hiddenSizes.has(group.size);
const runsOf = group => group.runs.map(i => data.runs[i]);
const finishedOf = group => runsOf(group).filter(run => run.finished);
// What all paths begin with says nothing.
const folders = data.runs.map(run => run.path.replace(/\/+$/, '').split('/').slice(0, -1));
const nCommon = (folders[0] || []).findIndex((part, i) => folders.some(f => f[i] !== part));
const shortPath = run => run.path.split('/').slice(nCommon < 0 ? folders[0].length : nCommon).join('/');
const plural = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
const withError = (m, n) => fixed(n)(m.mean) + (present(m.error) ? ` \u00b1 ${fixed(n)(m.error)}` : '');

const redraws = [];  // what depends on the filters or the width
function redraw() {
  hideTip();
  for (const draw of redraws) draw();
}

function section(title, about) {
  const node = element('section', {}, element('h2', {}, title));
  if (about) node.append(element('p', {class: 'about'}, about));
  document.getElementById('sections').append(node);
  return node;
}

function chartIn(parent, title, make) {
  const host = element('div', {});
  const box = element('div', {}, element('h3', {}, title), host);
  parent.append(box);
  redraws.push(() => drawChart(host, {name: title, ...make()}));
  return box;
}

function pairIn(parent) {
  const pair = element('div', {class: 'pair'});
  parent.append(pair);
  return pair;
}

// ---- filters ----

function chips(title, names, hidden, swatch) {
  const box = element('div', {class: 'chips'}, element('b', {}, title));
  names.forEach((name, i) => {
    const chip = element('button', {class: 'chip', type: 'button', 'aria-pressed': 'true'},
                         swatch(i), name || 'all');
    chip.addEventListener('click', () => {
      hidden.has(i) ? hidden.delete(i) : hidden.add(i);
      chip.setAttribute('aria-pressed', String(!hidden.has(i)));
      redraw();
    });
    box.append(chip);
  });
  document.getElementById('filters').append(box);
}

function writeFilters() {
  chips('Variant', data.variants, state.hiddenVariants, i => {
    const mark = shape('svg', {width: 14, height: 14});
    shape('path', {d: kShapes[i % kShapes.length](7, 7, 4.5), fill: colorOf(i)}, mark);
    return mark;
  });
  if (data.sizes.length < 2) return;
  chips('Size', data.sizes, state.hiddenSizes, i => {
    const mark = shape('svg', {width: 26, height: 14});
    shape('path', {d: 'M1,7H25', stroke: 'currentColor', 'stroke-width': 2,
                   'stroke-dasharray': kDashes[i % kDashes.length] || 'none'}, mark);
    return mark;
  });
}

// ---- tables ----

// columns: [{title, text?: left-aligned, cell: row => text or element, value: row => to sort by}]
function sortableTable(id, columns, rows, isShown, rowKey) {
  const body = element('tbody', {});
  const heads = columns.map((column, i) => {
    const button = element('button', {type: 'button'}, column.title);
    const head = element('th', {scope: 'col', class: column.text ? 'text' : ''}, button);
    button.addEventListener('click', () => sortBy(i, head.getAttribute('aria-sort') !== 'ascending'));
    return head;
  });
  const entries = rows.map(row => {
    const cells = columns.map(column => {
      const content = column.cell(row);
      return element('td', {class: column.text ? 'text ' + column.text : ''}, content);
    });
    return {row, node: element('tr', {'data-key': rowKey(row)}, ...cells)};
  });
  function sortBy(index, ascending) {
    heads.forEach(head => head.removeAttribute('aria-sort'));
    heads[index].setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    const value = entry => columns[index].value(entry.row);
    const missing = v => v === null || v === undefined;
    entries.sort((a, b) => {
      const x = value(a);
      const y = value(b);
      if (missing(x) || missing(y)) return missing(x) - missing(y);  // at the end either way
      const order = typeof x === 'string' ? x.localeCompare(y) : x - y;
      return ascending ? order : -order;
    });
    body.replaceChildren(...entries.map(entry => entry.node));
  }
  body.append(...entries.map(entry => entry.node));
  redraws.push(() => entries.forEach(e => e.node.classList.toggle('off', !isShown(e.row))));
  return element('div', {class: 'wide'},
                 element('table', {id}, element('thead', {}, element('tr', {}, ...heads)), body));
}

function named(group, text) {
  const key = element('span', {class: 'key'});
  key.style.background = colorOf(group.variant);
  return element('span', {}, key, text);
}
