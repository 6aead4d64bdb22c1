'use strict';
// What the report shows, section by section, with the charts of chart.js in the frame of frame.js.

// ---- head and groups ----

function writeSummary() {
  const finished = data.runs.filter(run => run.finished).length;
  const ranked = groups.filter(g => present(g.loss.mean)).sort((a, b) => a.loss.mean - b.loss.mean);
  let text = `${plural(data.runs.length, 'run')} in ${plural(groups.length, 'group')}: ` +
      `${plural(data.variants.length, 'variant')}, ${plural(data.sizes.length, 'size')}`;
  text += finished < data.runs.length ? `; ${data.runs.length - finished} unfinished. ` : '. ';
  if (ranked.length) {
    text += `Lowest final loss: ${withError(ranked[0].loss, 4)} (${ranked[0].name}). `;
  }
  const gaps = ranked.filter(g => present(g.gap_to_dense.mean))
      .sort((a, b) => a.gap_to_dense.mean - b.gap_to_dense.mean);
  if (gaps.length) {
    text += `Against its dense twin the best is ${gaps[0].name}: ` +
        `${signed(4)(gaps[0].gap_to_dense.mean)} nats a token.`;
  }
  document.getElementById('summary').textContent = text;
  const most = 8;
  const notes = data.notes.slice(0, most);
  if (data.notes.length > most) notes.push(`and ${data.notes.length - most} more notes`);
  document.getElementById('notes').append(...notes.map(note => element('li', {}, note)));
}

function errorCell(m, format) {
  const error = present(m.error) ? element('small', {}, ` \u00b1 ${fixed(4)(m.error)}`) : '';
  return element('span', {}, format(m.mean), error);
}

function writeGroups() {
  const box = section('Groups',
      'A group is the runs that differ in nothing but their seed; losses are means \u00b1 standard ' +
      'error over seeds, in nats a token, of the last validation. FLOPs count matrix products, ' +
      'the guide of self-guided training included where it ran.');
  const number = (title, of, format) => ({title, value: of, cell: g => format(of(g))});
  const chosen = data.best.filter(key => groups.some(g => g.best[key] !== null));
  box.append(sortableTable('groups', [
    {title: 'Variant', text: 'name', value: g => data.variants[g.variant],
     cell: g => named(g, data.variants[g.variant])},
    ...(data.sizes.length < 2 ? [] : [{title: 'Size', text: 'size', value: g => g.size,
                                       cell: g => data.sizes[g.size]}]),
    ...chosen.map(key => ({title: 'Best ' + key.slice(key.lastIndexOf('.') + 1), value: g => g.best[key],
                           cell: g => g.best[key] === null ? '\u2013' : String(g.best[key])})),
    {title: 'Runs', value: g => g.n_finished,
     cell: g => g.n_finished === g.runs.length ? String(g.n_finished)
         : `${g.n_finished} of ${g.runs.length}`},
    number('Parameters', g => g.params, x => count(x, kFull)),
    {title: 'Feed\u2011forward,\nof dense', value: g => g.ffn_params,
     cell: g => element('span', {}, count(g.ffn_params, kFull), element('small', {},
         ` ${fixed(1)(g.ffn_share_of_dense * 100)} %`))},
    number('Forward\nFLOP/token', g => g.forward_flops_per_token, x => flops(x, kFull)),
    number('Training\nFLOP', g => g.n_finished ? g.train_flops : null, x => flops(x, kFull)),
    number('Tokens', g => g.n_finished ? g.tokens : null, x => count(x, kFull)),
    number('Tokens/s', g => g.tokens_per_s, x => count(x, kFull)),
    {title: 'Final loss', value: g => g.loss.mean, cell: g => errorCell(g.loss, fixed(4))},
    {title: 'Gap to\ndense', value: g => g.gap_to_dense.mean,
     cell: g => errorCell(g.gap_to_dense, signed(4))},
    {title: 'Bits/byte', value: g => g.bits_per_byte.mean, cell: g => errorCell(g.bits_per_byte, fixed(4))},
  ], groups, shown, g => groups.indexOf(g)));
}

// ---- loss curves ----

// Means at each position over the rows of several runs that have it (same step).
function meanOver(lists, value) {
  const sums = new Map();
  for (const list of lists) {
    for (const row of list) {
      if (!present(value(row))) continue;
      const at = sums.get(row[0]) || {x: [0, 0, 0], y: 0, n: 0};
      at.x = at.x.map((sum, i) => sum + (row[i] ?? 0));
      at.y += value(row);
      ++at.n;
      sums.set(row[0], at);
    }
  }
  return [...sums.values()].filter(s => s.n === lists.length)
      .map(s => ({step: s.x[0] / s.n, tokens: s.x[1] / s.n, flops: s.x[2] / s.n, y: s.y / s.n, n: s.n}));
}

// column: 1 tokens, 2 FLOPs, as in the rows of a curve.
function lossCurves(column) {
  const field = column === 1 ? 'tokens' : 'flops';
  const format = column === 1 ? count : flops;
  const lines = [];
  const dots = [];
  let furthest = 0;
  let earliest = Infinity;
  for (const group of groups.filter(shown)) {
    const color = colorOf(group.variant);
    const dash = kDashes[group.size % kDashes.length];
    for (const run of runsOf(group)) {
      const points = run.curve.map(row => [row[column], row[3]]);
      for (const [x] of points) {
        if (!(x > 0)) continue;
        furthest = Math.max(furthest, x);
        earliest = Math.min(earliest, x);
      }
      if (!state.training || !(state.seeds || !run.finished)) continue;
      lines.push({points, color, width: 1, opacity: 0.4, dash: run.finished ? dash : '1 3',
                  label: run.finished ? '' : `${shortPath(run)} (unfinished)`, what: 'training loss'});
    }
    const finished = finishedOf(group);
    if (!finished.length) continue;
    if (state.training) {
      lines.push({points: meanOver(finished.map(r => r.curve), row => row[3]).map(p => [p[field], p.y]),
                  color, width: 2.2, dash, label: group.name, what: 'training loss, smoothed'});
    }
    for (const p of state.validation ? meanOver(finished.map(r => r.validations), row => row[3]) : []) {
      dots.push({x: p[field], y: p.y, color, shape: group.variant, size: 2.6, hollow: true,
                 label: group.name, what: 'validation loss',
                 more: [`step ${Math.round(p.step)}, ${plural(p.n, 'seed')}`]});
    }
  }
  const logX = state.scales !== 'linear';
  const min = state.whole || !logX ? undefined : Math.max(furthest / 100, earliest);
  return {
    lines, dots,
    x: {title: column === 1 ? 'tokens' : 'training FLOP', log: logX, format, pad: 0.015,
        min: !logX ? 0 : min || undefined},
    y: {title: 'loss (nats a token)', log: state.scales === 'log-log', format: plain, value: fixed(4)},
  };
}

function checkbox(text, key) {
  const box = element('input', {type: 'checkbox'});
  box.checked = state[key];
  box.addEventListener('change', () => {
    state[key] = box.checked;
    redraw();
  });
  return element('label', {}, box, text);
}

function writeCurves() {
  const box = section('Loss as training goes on',
      'Thick: mean over seeds of the training loss, averaged over the steps within 5 % of each. ' +
      'Thin: each seed. Dotted: unfinished runs. Points: validation loss.');
  const scales = element('select', {'aria-label': 'scales'},
                         ...['log-log', 'log x', 'linear'].map(name => element('option', {}, name)));
  scales.addEventListener('change', () => {
    state.scales = scales.value;
    redraw();
  });
  box.append(element('div', {class: 'options'}, element('label', {}, 'Scales', scales),
                     checkbox('from the first step', 'whole'), checkbox('training', 'training'),
                     checkbox('each seed', 'seeds'), checkbox('validation', 'validation')));
  const pair = pairIn(box);
  chartIn(pair, 'Loss against tokens', () => lossCurves(1));
  chartIn(pair, 'Loss against training FLOPs', () => lossCurves(2));
}

// ---- final losses and power laws ----

function finalDots(x, y) {
  return groups.filter(g => shown(g) && present(y(g).mean)).map(g => ({
    x: x(g), y: y(g).mean, error: y(g).error, color: colorOf(g.variant), shape: g.variant,
    label: g.name, more: [plural(y(g).n, 'seed')],
  }));
}

// A thin line through the sizes of each variant, for those without a law.
function joined(dots, variants) {
  return variants.map(v => ({
    points: dots.filter(d => d.shape === v).map(d => [d.x, d.y]).sort((a, b) => a[0] - b[0]),
    color: colorOf(v), width: 1, opacity: 0.6, dash: '3 3',
  }));
}

function scalingChart(against) {
  const byFlops = against === 'train_flops';
  const dots = finalDots(g => g[against], g => g.loss);
  const fits = data.fits.filter(f => f.against === against && !state.hiddenVariants.has(f.variant));
  const fitted = fits.filter(f => f.curve);
  const lines = fitted.map(f => ({
    points: f.curve.map(row => [row[0], row[1]]), color: colorOf(f.variant), width: 1.8,
    label: data.variants[f.variant], what: 'fitted loss',
  }));
  return {
    dots, lines: lines.concat(joined(dots, fits.filter(f => !f.curve).map(f => f.variant))),
    bands: fitted.map(f => ({
      points: f.curve.filter(row => present(row[2])).map(row => [row[0], row[2], row[3]]),
      color: colorOf(f.variant),
    })),
    x: {title: byFlops ? 'training FLOP' : 'parameters', log: true, format: byFlops ? flops : count},
    y: {title: 'final loss (nats a token)', log: true, format: plain, value: fixed(4)},
  };
}

const coefficient = x => x >= 1e4 || x < 0.01 ? x.toExponential(2).replace('e+', 'e') : digits(x, 3);

function parameterCell(fit, name, n) {
  if (!fit[name]) return element('span', {class: 'none'}, '\u2013');
  const {value, low, high} = fit[name];
  const text = x => name === 'a' ? coefficient(x) : fixed(n)(x);
  const bounds = present(low) ? ` ${text(low)} \u2026 ${text(high)}` : ' no interval';
  return element('span', {}, text(value), element('small', {}, bounds));
}

function writeScaling() {
  const box = section('Final loss and power laws',
      'L(x) = a \u00b7 x\u207b\u1d47 + c for each variant with three sizes or more, least squares in ' +
      'log L with c \u2265 0. Small figures and bands are 95 % bootstrap intervals over runs; with one ' +
      'run at each of three sizes there is nothing to resample. Error bars are standard errors.');
  const pair = pairIn(box);
  chartIn(pair, 'Final loss against training FLOPs', () => scalingChart('train_flops'));
  chartIn(pair, 'Final loss against parameters', () => scalingChart('params'));
  const fits = data.fits.filter(f => f.n_sizes >= 3);
  const lacking = data.variants.length - new Set(fits.map(f => f.variant)).size;
  if (lacking) {
    box.append(element('p', {class: 'about'},
        `${plural(lacking, 'variant')} with fewer than three sizes: no law, points joined.`));
  }
  if (!fits.length) return;
  const parameter = (name, n) => ({
    title: name, value: f => f[name] ? f[name].value : null, cell: f => parameterCell(f, name, n)});
  box.append(sortableTable('fits', [
    {title: 'Variant', text: 'name', value: f => data.variants[f.variant],
     cell: f => named({variant: f.variant}, data.variants[f.variant])},
    {title: 'Against', text: 'what', value: f => f.against,
     cell: f => f.against === 'params' ? 'parameters' : 'training FLOP'},
    parameter('a', 3), parameter('b', 4), parameter('c', 4),
    {title: 'Error', value: f => f.log_error ?? null,
     cell: f => f.a ? fixed(2)(f.log_error * 100) + ' %' : f.why_not},
    {title: 'Runs', value: f => f.n_runs, cell: f => String(f.n_runs)},
    {title: 'Sizes', value: f => f.n_sizes, cell: f => String(f.n_sizes)},
  ], fits, f => !state.hiddenVariants.has(f.variant), f => `${f.variant}-${f.against}`));
}

// ---- gap and throughput ----

function writeGap() {
  if (!groups.some(g => present(g.gap_to_dense.mean))) return;
  const box = section('Gap to dense',
      'Final loss minus that of the dense group of the same shape and training, against the FLOPs ' +
      'spent: below zero is better than dense.');
  chartIn(box, 'Gap to dense against training FLOPs', () => {
    const dots = finalDots(g => g.train_flops, g => g.gap_to_dense);
    return {
      dots, lines: joined(dots, data.variants.map((_, v) => v)), zero: true,
      x: {title: 'training FLOP', log: true, format: flops},
      y: {title: 'loss minus dense (nats a token)', format: plain, value: signed(4)},
    };
  });
}

function writeThroughput() {
  const box = section('Throughput', 'Median tokens a second while training, mean over runs.');
  const bars = element('div', {class: 'bars', id: 'throughput'});
  box.append(bars);
  redraws.push(() => {
    const list = groups.filter(g => shown(g) && present(g.tokens_per_s));
    const most = Math.max(...list.map(g => g.tokens_per_s), 1);
    bars.replaceChildren(...data.sizes.flatMap((size, s) => {
      const rows = list.filter(g => g.size === s);
      return rows.length ? [element('h3', {}, size), ...rows.map(g => throughputBar(g, most, rows))] : [];
    }));
  });
}

function throughputBar(group, most, sameSize) {
  const bar = element('i', {});
  bar.style.width = 78 * group.tokens_per_s / most + '%';
  bar.style.background = colorOf(group.variant);
  const dense = sameSize.find(g => groups.indexOf(g) === group.dense_group);
  const ratio = dense ? `, ${fixed(2)(group.tokens_per_s / dense.tokens_per_s)}\u00d7 dense` : '';
  return element('div', {class: 'bar'}, element('span', {}, data.variants[group.variant]),
                 element('div', {}, bar, count(group.tokens_per_s) + ratio));
}

// ---- single runs ----

function spikeChart() {
  const run = state.run;
  const color = colorOf(groups[run.group].variant);
  const alpha = run.curve.filter(row => present(row[4])).map(row => [row[0], row[4]]);
  const lines = [{points: run.curve.map(row => [row[0], row[3]]), color, width: 2,
                  label: shortPath(run), what: 'training loss, smoothed'}];
  if (alpha.length) {
    lines.push({points: alpha, color: 'var(--ink)', width: 1.2, dash: '5 4', second: true,
                label: shortPath(run), what: '\u03b1'});
  }
  return {
    lines, dots: run.spikes.map(s => ({
      x: s[0], y: s[3], stem: s[4], color: 'var(--warn)', shape: 2, size: 4, label: shortPath(run),
      what: 'spike', more: [`median of the 100 steps before: ${fixed(4)(s[4])}`],
    })),
    x: {title: 'step', format: x => count(x, 4), min: 0},
    y: {title: 'loss (nats a token)', log: true, format: plain, value: fixed(4)},
    y2: alpha.length ? {title: '\u03b1', format: plain, value: fixed(3), min: 0, max: 1} : undefined,
  };
}

function writeRuns() {
  const box = section('Runs, loss spikes and the guide',
      'A spike is a step whose loss exceeds the median of the 100 steps before by more than five ' +
      'robust standard deviations (1.4826 \u00d7 median absolute deviation). \u03b1, dashed, is the ' +
      'weight of the dense guide in self-guided training.');
  const order = data.runs.slice().sort((a, b) =>
      (b.guided_steps > 0) - (a.guided_steps > 0) || b.n_spikes - a.n_spikes);
  const pick = element('select', {'aria-label': 'run'}, ...order.map((run, i) => element('option',
      {value: i}, `${shortPath(run)}: ${plural(run.n_spikes, 'spike')}` +
      (run.guided_steps ? `, guided for ${run.guided_steps} steps` : ''))));
  state.run = order[0];
  pick.addEventListener('change', () => {
    state.run = order[pick.value];
    redraw();
  });
  box.append(element('div', {class: 'options'}, element('label', {}, 'Run', pick)));
  chartIn(box, 'Loss, spikes and \u03b1', spikeChart);
  const number = (title, of, format) => ({title, value: of, cell: r => format(of(r))});
  box.append(sortableTable('runs', [
    {title: 'Run', text: 'name', value: r => r.path, cell: r => named(groups[r.group], shortPath(r))},
    number('Seed', r => r.seed, String),
    {title: 'Steps', value: r => r.steps, cell: r => r.finished ? String(r.steps)
        : element('span', {class: 'unfinished'}, `unfinished: ${r.steps} of ${r.planned_steps}`)},
    number('Guided steps', r => r.guided_steps, String),
    number('Spikes', r => r.n_spikes, String),
    number('Skipped', r => r.skipped_steps, String),
    number('Tokens/s', r => r.tokens_per_s, x => count(x, kFull)),
    {title: 'Last validation', value: r => r.final_loss, cell: r => fixed(4)(r.final_loss)},
    {title: 'Bits/byte', value: r => r.final_bits_per_byte, cell: r => fixed(4)(r.final_bits_per_byte)},
  ], data.runs, r => shown(groups[r.group]), r => data.runs.indexOf(r)));
}

// ---- the page ----

writeSummary();
writeFilters();
writeGroups();
writeCurves();
writeScaling();
writeGap();
writeThroughput();
writeRuns();
redraw();
let lastWidth = document.documentElement.clientWidth;
window.addEventListener('resize', () => {
  // A phone's address bar changes the height all the time.
  if (document.documentElement.clientWidth === lastWidth) return;
  lastWidth = document.documentElement.clientWidth;
  redraw();
});
