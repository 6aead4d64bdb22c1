'use strict';
// Elements, numbers as text, and one kind of chart in SVG: lines, bands, points with error bars and
// stems over linear or logarithmic axes, with values under the pointer. Knows nothing of runs.

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);  // text becomes text nodes, never markup
  return node;
}

function shape(tag, attributes, parent) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

// ---- numbers ----

const kMinus = '\u2212';
const present = x => typeof x === 'number' && isFinite(x);

function digits(x, n) {
  const text = String(Number(x.toPrecision(n)));
  return text.includes('e') ? x.toExponential(n - 1).replace('e+', 'e') : text;
}

// 12.3M. `names` are the prefixes of 10^3, 10^6, …; `n` digits, with their zeros where it is kFull.
const kFull = 'full';
function scaled(x, names, n) {
  if (!present(x)) return '\u2013';
  let i = 0;
  let value = Math.abs(x);
  const most = n === kFull ? 3 : n || 3;
  while (i < names.length && Number(value.toPrecision(most)) >= 1000) {
    value /= 1000;
    ++i;
  }
  const text = n === kFull && i ? value.toPrecision(most) : digits(value, most);
  return (x < 0 ? kMinus : '') + text + (i ? names[i - 1] : '');
}
const count = (x, n) => scaled(x, ['k', 'M', 'B', 'T'], n);
const flops = (x, n) => scaled(x, ['k', 'M', 'G', 'T', 'P', 'E', 'Z'], n);
const fixed = n => x => present(x) ? x.toFixed(n).replace('-', kMinus) : '\u2013';
const signed = n => x => present(x) ? (x > 0 ? '+' : '') + fixed(n)(x) : '\u2013';
const plain = x => digits(x, 4).replace('-', kMinus);

// ---- axes ----

function linearTicks(low, high, most) {
  const rough = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

// The densest set of round numbers whose neighbours stay `gap` pixels apart.
const kMantissas = [
  [1, 1.2, 1.4, 1.6, 1.8, 2, 2.25, 2.5, 2.75, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9],
  [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8], [1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5], [1, 2, 5], [1, 3],
  [1],
];

function logTicks(low, high, pixels, gap) {
  // Over less than half a decade the spacing of even steps hardly varies.
  if (high / low < 3) return linearTicks(low, high, pixels / gap / 1.2);
  const perDecade = pixels / Math.log10(high / low);
  for (const mantissas of kMantissas) {
    const ticks = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); ++e) {
      for (const m of mantissas) {
        const tick = Number((m * 10 ** e).toPrecision(6));
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    const close = ticks.some((t, i) => i && Math.log10(t / ticks[i - 1]) * perDecade < gap);
    if (!close && ticks.length) return ticks;
  }
  const decades = [];
  const every = Math.ceil(gap / perDecade);
  for (let e = Math.ceil(Math.log10(low)); e <= Math.log10(high); e += every) decades.push(10 ** e);
  return decades;
}

// A scale from values to pixels; `values` decide the range unless axis.min and axis.max do.
function makeScale(axis, values, from, to, gap) {
  const usable = values.filter(v => present(v) && (!axis.log || v > 0));
  let low = axis.min ?? Math.min(...(usable.length ? usable : [1]));
  let high = axis.max ?? Math.max(...(usable.length ? usable : [2]));
  if (low === high) {
    const around = Math.abs(low) * 0.1 || 1;
    low -= around;
    high += around;
  }
  const pad = axis.pad ?? 0.04;
  const move = axis.log ? Math.log : x => x;
  const back = axis.log ? Math.exp : x => x;
  const span = move(high) - move(low);
  if (axis.min === undefined) low = back(move(low) - pad * span);
  if (axis.max === undefined) high = back(move(high) + pad * span);
  const factor = (to - from) / (move(high) - move(low));
  const pixels = Math.abs(to - from);
  return {
    at: v => from + (move(v) - move(low)) * factor,
    takes: v => present(v) && (!axis.log || v > 0),
    inside: v => v >= low * (axis.log ? 0.999999 : 1) && v <= high,
    ticks: axis.log ? logTicks(low, high, pixels, gap) : linearTicks(low, high, pixels / gap),
  };
}

// ---- marks ----

const kShapes = [
  (x, y, r) => `M${x - r},${y}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}Z`,
  (x, y, r) => `M${x},${y - 1.3 * r}l${1.3 * r},${2.2 * r}h${-2.6 * r}Z`,
  (x, y, r) => `M${x},${y - 1.4 * r}l${1.4 * r},${1.4 * r}l${-1.4 * r},${1.4 * r}l${-1.4 * r},${-1.4 * r}Z`,
  (x, y, r) => `M${x},${y + 1.3 * r}l${1.3 * r},${-2.2 * r}h${-2.6 * r}Z`,
];

function linePath(points, xs, ys) {
  let path = '';
  let pen = 'M';
  for (const [x, y] of points) {
    if (!xs.takes(x) || !ys.takes(y)) {
      pen = 'M';  // a gap in the data is a gap in the line
      continue;
    }
    path += `${pen}${xs.at(x).toFixed(1)},${ys.at(y).toFixed(1)}`;
    pen = 'L';
  }
  return path;
}

function drawAxes(root, box, spec, xs, ys, y2s) {
  const text = (x, y, anchor, content, kind) => {
    const node = shape('text', {x, y, 'text-anchor': anchor, class: kind || 'tick'}, root);
    node.textContent = content;
    return node;
  };
  for (const tick of ys.ticks) {
    const y = ys.at(tick);
    shape('line', {x1: box.left, x2: box.right, y1: y, y2: y, class: 'grid'}, root);
    text(box.left - 8, y + 4, 'end', spec.y.format(tick));
  }
  for (const tick of xs.ticks) {
    const x = xs.at(tick);
    shape('line', {x1: x, x2: x, y1: box.top, y2: box.bottom, class: 'grid'}, root);
    text(x, box.bottom + 18, 'middle', spec.x.format(tick));
  }
  for (const tick of y2s ? y2s.ticks : []) {
    text(box.right + 8, y2s.at(tick) + 4, 'start', spec.y2.format(tick));
  }
  if (spec.zero) {
    shape('line', {x1: box.left, x2: box.right, y1: ys.at(0), y2: ys.at(0), class: 'zero'}, root);
  }
  text((box.left + box.right) / 2, box.bottom + 38, 'middle', spec.x.title, 'axis');
  text(box.left - 46, 14, 'start', spec.y.title, 'axis');
  if (spec.y2) text(box.right + 40, 14, 'end', spec.y2.title, 'axis');
}

function drawMarks(root, spec, xs, ys, y2s) {
  for (const band of spec.bands || []) {
    const up = linePath(band.points.map(p => [p[0], p[2]]), xs, ys);
    const down = linePath(band.points.map(p => [p[0], p[1]]).reverse(), xs, ys);
    if (!up || !down) continue;
    shape('path', {d: up + 'L' + down.slice(1) + 'Z', fill: band.color, class: 'band'}, root);
  }
  for (const line of spec.lines || []) {
    shape('path', {
      d: linePath(line.points, xs, line.second ? y2s : ys), stroke: line.color,
      'stroke-width': line.width, 'stroke-opacity': line.opacity ?? 1,
      'stroke-dasharray': line.dash || 'none', class: 'line',
    }, root);
  }
  for (const dot of spec.dots || []) {
    if (!xs.takes(dot.x) || !ys.takes(dot.y)) continue;
    const x = xs.at(dot.x);
    const y = ys.at(dot.y);
    if (present(dot.error) && dot.error > 0 && ys.takes(dot.y - dot.error)) {
      const top = ys.at(dot.y + dot.error);
      const bottom = ys.at(dot.y - dot.error);
      shape('path', {d: `M${x},${top}V${bottom}M${x - 4},${top}h8M${x - 4},${bottom}h8`,
                     stroke: dot.color, class: 'error'}, root);
    }
    if (dot.stem !== undefined) {
      shape('path', {d: `M${x},${y}V${ys.at(dot.stem)}`, stroke: dot.color, class: 'error'}, root);
    }
    shape('path', {d: kShapes[(dot.shape || 0) % kShapes.length](x, y, dot.size || 5),
                   fill: dot.hollow ? 'var(--card)' : dot.color, stroke: dot.color,
                   class: 'dot'}, root);
  }
}

// ---- values under the pointer ----

let tip = null;

function showTip(at, lines, color) {
  if (!tip) {
    tip = element('div', {id: 'tip', role: 'status'});
    document.body.append(tip);
  }
  const head = element('b', {}, lines[0]);
  head.style.borderColor = color;
  tip.replaceChildren(head, ...lines.slice(1).map(text => element('span', {}, text)));
  tip.style.display = 'grid';
  const {width, height} = tip.getBoundingClientRect();
  const left = Math.min(Math.max(at.x + 14, 4), document.documentElement.clientWidth - width - 4);
  const above = at.y - height - 12;
  tip.style.left = left + window.scrollX + 'px';
  tip.style.top = (above > 4 ? above : at.y + 16) + window.scrollY + 'px';
}

function hideTip() {
  if (tip) tip.style.display = 'none';
}

// Every point that has a label, in pixels.
function hoverTargets(spec, box, xs, ys, y2s) {
  const targets = [];
  const add = (px, py, mark, x, y, format) => {
    if (px < box.left - 1 || px > box.right + 1 || py < box.top - 1 || py > box.bottom + 1) return;
    targets.push({px, py, color: mark.color, lines: [
      mark.label, `${spec.x.title}: ${spec.x.format(x, 4)}`, format(y), ...(mark.more || []),
    ]});
  };
  for (const line of spec.lines || []) {
    const scale = line.second ? y2s : ys;
    const axis = line.second ? spec.y2 : spec.y;
    for (const [x, y] of line.label ? line.points : []) {
      if (!xs.takes(x) || !scale.takes(y)) continue;
      add(xs.at(x), scale.at(y), line, x, y, v => `${line.what || axis.title}: ${axis.value(v)}`);
    }
  }
  for (const dot of spec.dots || []) {
    if (!dot.label || !xs.takes(dot.x) || !ys.takes(dot.y)) continue;
    const error = present(dot.error) ? ` \u00b1 ${spec.y.value(dot.error).replace('+', '')}` : '';
    add(xs.at(dot.x), ys.at(dot.y), dot, dot.x, dot.y,
        v => `${dot.what || spec.y.title}: ${spec.y.value(v)}${error}`);
  }
  return targets;
}

function followPointer(root, targets) {
  const cursor = shape('circle', {r: 6, class: 'cursor', visibility: 'hidden'}, root);
  const leave = () => {
    cursor.setAttribute('visibility', 'hidden');
    hideTip();
  };
  root.addEventListener('pointermove', event => {
    const frame = root.getBoundingClientRect();
    const x = event.clientX - frame.left;
    const y = event.clientY - frame.top;
    let best = null;
    let least = 40 * 40;
    for (const target of targets) {
      const away = (target.px - x) ** 2 + (target.py - y) ** 2;
      if (away < least) {
        least = away;
        best = target;
      }
    }
    if (!best) return leave();
    cursor.setAttribute('cx', best.px);
    cursor.setAttribute('cy', best.py);
    cursor.setAttribute('visibility', 'visible');
    cursor.setAttribute('stroke', best.color);
    showTip({x: frame.left + best.px, y: frame.top + best.py}, best.lines, best.color);
  });
  root.addEventListener('pointerleave', leave);
}

// ---- the chart ----

let nextClip = 0;

// spec: {name, x, y, y2?, lines, dots, bands, zero?}. An axis: {title, format, value, log?, min?, max?}:
// `format` writes ticks, `value` exact values.
//   line {points: [[x, y], …], color, width, label?, opacity?, dash?, second?: on y2}
//   dot {x, y, color, label?, error?, shape?, size?, hollow?, stem?: y it stands on, more?: [text, …]}
//   band {points: [[x, low, high], …], color}
function drawChart(host, spec) {
  const width = Math.max(host.clientWidth, 240);
  const height = Math.round(Math.min(400, Math.max(270, width * 0.62)));
  const box = {left: 58, right: width - (spec.y2 ? 48 : 14), top: 26, bottom: height - 46};
  const root = shape('svg', {class: 'chart', width, height, role: 'img', 'aria-label': spec.name});
  const xValues = [...(spec.lines || []), ...(spec.bands || [])].flatMap(l => l.points.map(p => p[0]))
      .concat((spec.dots || []).map(d => d.x));
  const xs = makeScale(spec.x, xValues, box.left, box.right, 62);
  const seen = x => xs.takes(x) && xs.inside(x);
  const yValues = (spec.lines || []).filter(l => !l.second)
      .flatMap(l => l.points.filter(p => seen(p[0])).map(p => p[1]))
      .concat((spec.dots || []).filter(d => seen(d.x))
          .flatMap(d => [d.y, d.y + (d.error || 0), d.y - (d.error || 0)]))
      .concat(spec.zero ? [0] : []);
  const ys = makeScale(spec.y, yValues, box.bottom, box.top, 34);
  const y2s = spec.y2 ? makeScale(spec.y2, [], box.bottom, box.top, 34) : null;
  drawAxes(root, box, spec, xs, ys, y2s);
  const id = `clip-${++nextClip}`;
  const clip = shape('clipPath', {id}, root);
  shape('rect', {x: box.left - 1, y: box.top - 6, width: box.right - box.left + 2,
                 height: box.bottom - box.top + 7}, clip);
  drawMarks(shape('g', {'clip-path': `url(#${id})`}, root), spec, xs, ys, y2s);
  followPointer(root, hoverTargets(spec, box, xs, ys, y2s));
  host.replaceChildren(root);
}
