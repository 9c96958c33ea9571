(() => {
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const LETTERS = {open: '✓', http: 'H', loss: 'L', 'wrong-source': 'S', reset: 'X', refused: 'R', 'dns-failure': 'D',
  unreachable: 'U', timeout: 'T', 'not-measured': '?'};
const SEVERITY = ['open', 'http', 'loss', 'wrong-source', 'reset', 'refused', 'dns-failure', 'unreachable', 'timeout', 'not-measured'];
const RANK = {pass: 0, unchecked: 1, 'not-measured': 2, fail: 3};
const nameOf = outcome => outcome.split('(')[0];
const letterOf = outcome => LETTERS[nameOf(outcome)] || '?';

/** An element; text only ever becomes a text node. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === true) node.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/** Undoes the run lengths of a column: value, count, value, count … */
function unrun(runs, count, delta) {
  const out = new Int32Array(count);
  let at = 0, last = 0;
  for (let i = 0; i < runs.length; i += 2) {
    for (let n = runs[i + 1]; n > 0; n--) { last = delta ? last + runs[i] : runs[i]; out[at++] = last; }
  }
  return out;
}

/** A step's cells by pair; the cells of a pair in the order of protocols. */
function unpack(step) {
  if (step.cells) return step.cells;
  const c = step.packed, n = c.count;
  const from = unrun(c.from, n), to = unrun(c.to, n, true), proto = unrun(c.protocol, n), port = unrun(c.port, n);
  const expected = unrun(c.expected, n), observed = unrun(c.observed, n), verdict = unrun(c.verdict, n), latency = unrun(c.latency, n);
  const pairs = new Map();
  for (let i = 0; i < n; i++) {
    const key = from[i] * data.endpoints.length + to[i];
    const cell = {protocol: data.protocols[proto[i]], port: data.ports[port[i]],
      expected: expected[i] < 0 ? null : data.expected[expected[i]], observed: data.outcomes[observed[i]],
      verdict: data.verdicts[verdict[i]], latency: latency[i], attempts: c.attempts[i] || 1, why: c.why[i]};
    cell.bad = RANK[cell.verdict] * 100 + SEVERITY.indexOf(nameOf(cell.observed));
    cell.deviates = cell.verdict === 'fail' || (cell.verdict === 'not-measured' && cell.expected !== null
      && !cell.expected.includes('not-measured'));
    const list = pairs.get(key);
    if (list) list.push(cell); else pairs.set(key, [cell]);
  }
  step.cells = pairs;
  return pairs;
}

const pick = (cells, layer) => layer === 'worst' ? cells : cells.filter(cell => cell.protocol === layer);
const encoded = data.endpoints.map(end => encodeURIComponent(end.id));
const worstOf = cells => cells.reduce((a, b) => !a || b.bad > a.bad ? b : a, null);
/** A name that, where it has no room, is cut in its middle: names of like pods differ in their ends. */
const cutName = name => el('span', {class: 'name'}, el('span', {class: 'head'}, name.slice(0, -10)), el('span', {}, name.slice(-10)));
const words = cell => `${cell.protocol}${cell.port ? ' ' + cell.port : ''}: ${cell.observed}`
  + (cell.verdict === 'fail' ? `, not as expected (${cell.expected.join(' or ')})`
    : cell.verdict === 'pass' ? ', as expected' : cell.verdict === 'unchecked' ? ', nothing expected' : ', not measured');

/** What a cell shows in a view: glyph and class. */
function look(cell, view, before) {
  if (view === 'expected') {
    if (!cell.expected) return ['–', 'free'];
    const letters = [...new Set(cell.expected.map(letterOf))].join('');
    return [letters, letters === '✓' ? 'ok' : 'calm'];
  }
  const mood = cell.verdict === 'fail' ? 'bad' : cell.verdict === 'not-measured' ? 'void'
    : cell.verdict === 'unchecked' ? 'free' : cell.observed === 'open' ? 'ok' : 'calm';
  if (view === 'difference') return cell.deviates ? [letterOf(cell.observed), mood] : ['·', 'dot'];
  if (view === 'previous') {
    if (!before) return [letterOf(cell.observed) + '*', mood];
    if (nameOf(before.observed) === nameOf(cell.observed)) return ['·', 'dot'];
    return [letterOf(before.observed) + '→' + letterOf(cell.observed), mood];
  }
  return [letterOf(cell.observed), mood];
}

class MatrixView {
  constructor(host, number) {
    this.host = host;
    this.number = number;
    this.step = data.steps[number];
    this.before = data.steps.slice(0, number).reverse().find(step => step.packed) || null;
    this.layer = 'worst';
    this.view = 'observed';
    this.by = 'node';
    this.folded = new Set();
    this.current = null;
    this.regroup(this.step.endpoints.length > 30);
  }

  regroup(fold) {
    const groups = new Map();
    for (const index of this.step.endpoints) {
      const end = data.endpoints[index];
      const name = this.by === 'node' ? end.node || 'outside' : end.namespace || (end.kind === 'node' ? 'nodes' : end.kind);
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(index);
    }
    this.groups = [...groups].map(([name, members]) => ({name, members}));
    this.folded = new Set(fold ? this.groups.map(group => group.name) : []);
    this.numbers = new Map();
    for (const group of this.groups) for (const index of group.members) this.numbers.set(index, this.numbers.size + 1);
  }

  draw() {
    this.drawn = true;
    const layout = el('div', {class: 'layout'});
    this.left = el('div', {});
    this.detail = el('aside', {class: 'detail', 'aria-label': 'Why this cell is what it is', hidden: true, tabindex: '-1'});
    layout.append(this.left, this.detail);
    this.layout = layout;
    this.host.replaceChildren(this.tools(), layout);
    this.table();
  }

  choice(legend, name, options, value, change) {
    const seg = el('div', {class: 'seg'});
    for (const [key, text] of options) {
      const input = el('input', {type: 'radio', name: `${name}-${this.number}`, value: key});
      input.checked = key === value;
      input.addEventListener('change', () => change(key));
      seg.append(el('label', {}, input, el('span', {}, text)));
    }
    return el('fieldset', {}, el('legend', {}, legend), seg);
  }

  tools() {
    const found = new Set();
    for (const cells of unpack(this.step).values()) for (const cell of cells) found.add(cell.protocol);
    const layers = [['worst', 'worst'], ...data.protocols.filter(p => found.has(p)).map(p => [p, p.toUpperCase()])];
    const views = [['observed', 'observed'], ['expected', 'expected'], ['difference', 'difference']];
    if (this.before) views.push(['previous', `against ${this.before.name}`]);
    const fold = el('button', {type: 'button'}, 'Fold all');
    fold.addEventListener('click', () => { this.folded = new Set(this.groups.map(g => g.name)); this.table(); });
    const unfold = el('button', {type: 'button'}, 'Unfold all');
    unfold.addEventListener('click', () => { this.folded.clear(); this.table(); });
    return el('div', {class: 'tools'},
      this.choice('Show', 'view', views, this.view, key => { this.view = key; this.table(); }),
      this.choice('Protocol', 'layer', layers, this.layer, key => { this.layer = key; this.table(); this.refreshDetail(); }),
      this.choice('Groups', 'by', [['node', 'node'], ['namespace', 'namespace']], this.by,
        key => { this.by = key; this.regroup(this.folded.size > 0); this.table(); }),
      el('div', {}, unfold, ' ', fold));
  }

  /** Rows or columns as they stand: endpoints, and folded groups as one. */
  items() {
    const out = [];
    for (const group of this.groups) {
      if (this.folded.has(group.name)) out.push({group, members: group.members, folded: true, first: true});
      else group.members.forEach((index, i) => out.push({group, members: [index], index, first: i === 0}));
    }
    return out;
  }

  foldButton(group) {
    const folded = this.folded.has(group.name);
    const button = el('button', {type: 'button', class: 'fold', 'aria-expanded': String(!folded),
      title: folded ? 'Unfold' : 'Fold'}, `${folded ? '▸' : '▾'} ${group.name} `, el('span', {class: 'num'}, `${group.members.length}`));
    button.addEventListener('click', () => {
      if (folded) this.folded.delete(group.name); else this.folded.add(group.name);
      this.table();
    });
    return button;
  }

  table() {
    const items = this.items();
    const many = items.length > 24;
    const table = el('table', {class: many ? 'cells dense' : 'cells', role: 'grid', 'aria-label':
      `Matrix of step ${this.step.name}, ${this.layer}, ${this.view}. Rows are sources, columns are destinations.`});
    const groupRow = el('tr', {class: 'groups'}, el('th', {class: 'corner', rowspan: items.some(item => !item.folded) ? '2' : '1', scope: 'col'}, 'from ↓  to →'));
    const endRow = el('tr', {class: 'ends'});
    for (const group of this.groups) {
      const folded = this.folded.has(group.name);
      groupRow.append(el('th', {colspan: String(folded ? 1 : group.members.length), scope: 'colgroup'},
        group.members.length > 1 || folded ? this.foldButton(group) : group.name));
    }
    for (const item of items) {
      if (item.folded) { endRow.append(el('th', {scope: 'col', class: 'first'}, el('span', {class: 'num'}, 'all'))); continue; }
      const name = data.endpoints[item.index].id, number = this.numbers.get(item.index);
      endRow.append(el('th', {scope: 'col', class: item.first ? 'first' : null, title: name, 'aria-label': name},
        many ? el('span', {class: 'num'}, String(number)) : el('span', {class: 'rot'}, cutName(name))));
    }
    const body = el('tbody', {});
    for (const row of items) {
      if (row.first && !row.folded) {
        body.append(el('tr', {class: 'group'}, el('th', {scope: 'rowgroup'}, this.foldButton(row.group)),
          el('td', {colspan: String(items.length)})));
      }
      const tr = el('tr', {});
      if (row.folded) tr.append(el('th', {scope: 'row', class: 'end'}, this.foldButton(row.group)));
      else {
        const end = data.endpoints[row.index];
        tr.append(el('th', {scope: 'row', class: 'end', title: [end.id, end.ownName, end.address].filter(Boolean).join(' ')},
          el('span', {class: 'num'}, String(this.numbers.get(row.index))), ' ', cutName(end.id)));
      }
      for (const column of items) tr.append(this.cell(row, column));
      body.append(tr);
    }
    table.append(el('thead', {}, groupRow, items.some(item => !item.folded) ? endRow : null), body);
    table.addEventListener('keydown', event => this.keys(event));
    // A tooltip for each of ten thousand cells is made when it is wanted.
    table.addEventListener('mouseover', event => {
      const link = event.target.closest('a.cell');
      if (!link || link.title) return;
      const pair = Number(link.dataset.pair), size = data.endpoints.length;
      const cells = pick(unpack(this.step).get(pair) || [], this.layer);
      link.title = `${data.endpoints[Math.floor(pair / size)].id} → ${data.endpoints[pair % size].id}\n${cells.map(words).join('\n')}`;
    });
    const first = table.querySelector('.cell');
    if (first) first.tabIndex = 0;
    this.left.replaceChildren(el('div', {class: 'scroll', tabindex: '-1'}, table), this.legend());
    this.markCurrent();
  }

  cell(row, column) {
    const td = el('td', {role: 'gridcell', class: column.first ? 'first' : null});
    if (row.folded || column.folded) { td.append(this.sum(row, column)); return td; }
    if (row.index === column.index && !this.pair(row.index, column.index)) {
      td.append(el('span', {class: 'self', 'aria-label': 'itself'}, '·'));
      return td;
    }
    const cells = pick(this.pair(row.index, column.index) || [], this.layer);
    const worst = worstOf(cells);
    const ends = `${data.endpoints[row.index].id} to ${data.endpoints[column.index].id}`;
    if (!worst) { td.append(el('span', {class: 'cell unasked', 'aria-label': `${ends}: not probed`, title: 'the scenario does not probe this pair'}, '')); return td; }
    const old = this.before ? unpack(this.before).get(this.key(row.index, column.index)) : null;
    const before = old ? old.find(cell => cell.protocol === worst.protocol && cell.port === worst.port) : null;
    const [glyph, mood] = look(worst, this.view, before);
    const link = document.createElement('a');
    link.className = `cell ${mood}`;
    link.href = this.link(row.index, column.index);
    link.tabIndex = -1;
    link.dataset.pair = this.key(row.index, column.index);
    link.setAttribute('aria-label', `${ends}: ${words(worst)}${before && nameOf(before.observed) !== nameOf(worst.observed) ? `, before ${before.observed}` : ''}`);
    link.append(glyph);
    td.append(link);
    return td;
  }

  /** Many pairs as one: how many are open, and the worst of them. */
  sum(row, column) {
    let total = 0, open = 0, bad = 0, changed = 0, wanted = 0, worst = null;
    for (const from of row.members) {
      for (const to of column.members) {
        const cells = pick(this.pair(from, to) || [], this.layer);
        if (!cells.length) continue;
        total++;
        if (cells.every(cell => cell.observed === 'open')) open++;
        if (cells.some(cell => cell.deviates)) bad++;
        if (cells.every(cell => cell.expected && cell.expected.includes('open'))) wanted++;
        const old = this.before ? unpack(this.before).get(this.key(from, to)) : null;
        if (old && cells.some(cell => old.some(o => o.protocol === cell.protocol && o.port === cell.port
          && nameOf(o.observed) !== nameOf(cell.observed)))) changed++;
        worst = worstOf(worst ? [worst, ...cells] : cells);
      }
    }
    if (!worst) return el('span', {class: 'cell free', 'aria-label': 'no pairs'}, '');
    let [glyph, mood] = look(worst, this.view === 'expected' ? 'expected' : 'observed', null);
    let text = `${open}/${total} ${glyph}`;
    if (this.view === 'expected') { text = `${wanted}/${total} ✓`; mood = wanted === total ? 'ok' : 'calm'; }
    if (this.view === 'difference') { text = bad ? `${bad}/${total} ${glyph}` : '·'; mood = bad ? mood : 'dot'; }
    if (this.view === 'previous') { text = changed ? `${changed}/${total} Δ` : '·'; mood = changed ? mood : 'dot'; }
    const label = `${row.group.name} to ${column.group.name}: ${open} of ${total} pairs open, ${bad} not as expected, `
      + `${this.before ? `${changed} changed, ` : ''}worst ${words(worst)}. Unfold.`;
    const button = el('button', {type: 'button', class: `cell sum ${mood}`, tabindex: '-1', title: label, 'aria-label': label}, text);
    button.addEventListener('click', () => {
      this.folded.delete(row.group.name);
      this.folded.delete(column.group.name);
      this.table();
      const target = this.left.querySelector(`[data-pair="${this.key(row.members[0], column.members[0])}"]`)
        || this.left.querySelector('.cell[tabindex="0"]');
      if (target) target.focus();
    });
    return button;
  }

  key(from, to) { return from * data.endpoints.length + to; }
  pair(from, to) { return unpack(this.step).get(this.key(from, to)); }
  link(from, to) {
    const layer = this.layer === 'worst' ? '' : `/${this.layer}`;
    return `#step-${this.number + 1}/cell-${encoded[from]}~${encoded[to]}${layer}`;
  }

  legend() {
    const list = el('ul', {class: 'legend'});
    const add = (glyph, mood, text) => list.append(el('li', {}, el('span', {class: `cell ${mood}`, 'aria-hidden': 'true'}, glyph), text));
    const seen = new Set();
    for (const cells of unpack(this.step).values()) for (const cell of cells) seen.add(nameOf(cell.observed));
    for (const name of SEVERITY) if (seen.has(name)) add(LETTERS[name], name === 'open' ? 'ok' : name === 'not-measured' ? 'void' : 'calm', name);
    const all = [...unpack(this.step).values()].flat();
    const bad = all.find(cell => cell.deviates);
    const calm = all.find(cell => cell.verdict === 'pass' && cell.observed !== 'open');
    if (bad) add(letterOf(bad.observed), bad.verdict === 'fail' ? 'bad' : 'void', bad.verdict === 'fail' ? 'framed: not as expected' : 'hatched: not measured');
    if (calm) add(letterOf(calm.observed), 'calm', 'plain: as expected');
    const pairs = data.endpoints.length * (data.endpoints.length - 1);
    if (unpack(this.step).size < pairs) add('', 'unasked', 'blank: not probed');
    if (this.folded.size) list.append(el('li', {}, 'a folded cell: pairs open / pairs, and the worst of them'));
    list.append(el('li', {}, 'arrow keys move, Enter opens why'));
    return list;
  }

  keys(event) {
    const moves = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
    const here = event.target.closest('td');
    if (!here) return;
    const rows = [...this.left.querySelectorAll('tbody tr:not(.group)')].map(tr => [...tr.querySelectorAll('td')]);
    let r = rows.findIndex(row => row.includes(here)), c = rows[r].indexOf(here);
    let step = moves[event.key];
    if (event.key === 'Home') { c = -1; step = [0, 1]; }
    if (event.key === 'End') { c = rows[r].length; step = [0, -1]; }
    if (!step) return;
    event.preventDefault();
    for (r += step[0], c += step[1]; rows[r] && rows[r][c]; r += step[0], c += step[1]) {
      const next = rows[r][c].querySelector('a.cell, button.cell');
      if (!next) continue;
      this.left.querySelectorAll('.cell[tabindex="0"]').forEach(cell => { cell.tabIndex = -1; });
      next.tabIndex = 0;
      next.focus();
      return;
    }
  }

  /** Opens the why-chain of a pair. */
  open(from, to, focus) {
    for (const group of this.groups) {
      if (group.members.includes(from) || group.members.includes(to)) this.folded.delete(group.name);
    }
    this.current = [from, to];
    this.table();
    this.refreshDetail();
    const cell = this.left.querySelector('[aria-current]');
    if (cell) {
      this.left.querySelectorAll('.cell[tabindex="0"]').forEach(other => { other.tabIndex = -1; });
      cell.tabIndex = 0;
      cell.scrollIntoView({block: 'nearest', inline: 'nearest'});
      if (focus) cell.focus();
    }
  }

  markCurrent() {
    if (!this.current) return;
    const cell = this.left.querySelector(`[data-pair="${this.key(...this.current)}"]`);
    if (cell) cell.setAttribute('aria-current', 'true');
  }

  close() {
    const cell = this.left.querySelector('[aria-current]');
    if (cell) { cell.removeAttribute('aria-current'); cell.focus(); }
    this.current = null;
    this.detail.hidden = true;
    this.layout.classList.remove('open');
    history.replaceState(null, '', `#step-${this.number + 1}`);
  }

  refreshDetail() {
    if (!this.current) return;
    const [from, to] = this.current.map(index => data.endpoints[index]);
    const close = el('button', {type: 'button'}, 'Close');
    close.addEventListener('click', () => this.close());
    const content = [el('h3', {}, el('span', {}, `${from.id} → ${to.id}`), close),
      el('p', {class: 'note'}, [from, to].map(end =>
        `${end.ownName ? end.ownName + ' ' : ''}${end.address} on ${end.node || 'no node'}`).join(' → '))];
    const cells = [...pick(this.pair(...this.current) || [], this.layer)].sort((a, b) => b.bad - a.bad);
    for (const cell of cells) {
      const old = this.before && (unpack(this.before).get(this.key(...this.current)) || [])
        .find(o => o.protocol === cell.protocol && o.port === cell.port);
      const [, mood] = look(cell, 'observed', null);
      content.push(el('h4', {}, el('span', {class: `cell ${mood}`}, `${letterOf(cell.observed)} ${cell.protocol.toUpperCase()}${cell.port ? ' ' + cell.port : ''}: ${cell.observed}`)),
        el('p', {class: 'note'}, [cell.expected ? `expected ${cell.expected.join(' or ')}` : 'nothing expected',
          cell.verdict === 'fail' ? 'not as expected' : cell.verdict === 'pass' ? 'as expected' : cell.verdict,
          cell.latency >= 0 ? `${cell.latency} µs` : null, cell.attempts > 1 ? `${cell.attempts} attempts` : null,
          old ? (nameOf(old.observed) === nameOf(cell.observed) ? `as in ${this.before.name}` : `${old.observed} in ${this.before.name}`) : null]
          .filter(Boolean).join(' · ')));
      if (cell.why === -1) content.push(el('p', {class: 'note'}, 'The why-chain of this cell stands in report.json: the page was getting too large.'));
      else if (cell.why !== undefined) content.push(this.chain(data.chains[cell.why]));
    }
    if (!cells.length) content.push(el('p', {}, 'Not measured.'));
    this.detail.replaceChildren(...content);
    this.detail.hidden = false;
    this.layout.classList.add('open');
  }

  chain(indexes) {
    const list = el('ol', {class: 'why'});
    for (const index of indexes) {
      const [hop, node, detail, seen] = data.why[index];
      list.append(el('li', {class: seen === true ? 'seen-yes' : seen === false ? 'seen-no' : null},
        el('span', {class: 'mark', 'aria-hidden': 'true'}, seen === true ? '✓' : seen === false ? '✗' : '·'),
        el('span', {class: 'hop'}, hop, node ? el('span', {class: 'node'}, ` ${node}`) : null),
        el('span', {}, detail, seen === null ? null : el('span', {class: 'seen'}, seen ? ' (seen)' : ' (not seen)'))));
    }
    return list;
  }
}

const views = new Map();
for (const host of document.querySelectorAll('.matrix')) {
  const number = Number(host.dataset.step);
  views.set(number, new MatrixView(host.querySelector('.grid'), number));
}
const show = view => { if (!view.drawn) view.draw(); };
if ('IntersectionObserver' in window) {
  const watch = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { watch.unobserve(entry.target); show(views.get(Number(entry.target.dataset.step))); }
  }, {rootMargin: '600px'});
  document.querySelectorAll('.matrix').forEach(host => watch.observe(host));
} else views.forEach(show);
window.addEventListener('beforeprint', () => views.forEach(show));

/** Follows #step-2/cell-FROM~TO[/PROTOCOL]. */
function follow() {
  const match = /^#step-(\d+)\/cell-([^~]*)~([^/]*)(?:\/(\w+))?$/.exec(location.hash);
  if (!match) return;
  const view = views.get(Number(match[1]) - 1);
  if (!view) return;
  let from, to;
  try {
    from = data.endpoints.findIndex(end => end.id === decodeURIComponent(match[2]));
    to = data.endpoints.findIndex(end => end.id === decodeURIComponent(match[3]));
  } catch { return; }
  if (from < 0 || to < 0) return;
  if (match[4] && data.protocols.includes(match[4])) view.layer = match[4];
  const fresh = !view.drawn;
  show(view);
  if (fresh) document.getElementById(`step-${match[1]}`).scrollIntoView();
  view.open(from, to, true);
}
window.addEventListener('hashchange', follow);
follow();
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return;
  for (const view of views.values()) if (view.current && !view.detail.hidden) view.close();
});

const theme = document.getElementById('theme');
const themes = ['automatic', 'light', 'dark'];
let chosen = 'automatic';
try { chosen = localStorage.getItem('labrun-theme') || chosen; } catch { /* a file may have no storage */ }
function apply() {
  if (!themes.includes(chosen)) chosen = 'automatic';
  if (chosen === 'automatic') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  theme.textContent = `Theme: ${chosen}`;
}
theme.hidden = false;
theme.addEventListener('click', () => {
  chosen = themes[(themes.indexOf(chosen) + 1) % themes.length];
  try { localStorage.setItem('labrun-theme', chosen); } catch { /* as above */ }
  apply();
});
apply();
})();
