// The episode browser of a report. It makes text nodes only: nothing it shows can become markup.
'use strict';
const byId = id => document.getElementById(id);
const COLOURS = JSON.parse(byId('colours').textContent);
const episodes = JSON.parse(byId('episodes').textContent);
const items = [];
let visible = [], chosen = -1, turn = 0;

function make(name, parent, text, kind) {
  const element = document.createElement(name);
  if (text !== undefined && text !== null) element.textContent = text;
  if (kind) element.className = kind;
  if (parent) parent.appendChild(element);
  return element;
}

function draw(name, parent, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const key of Object.keys(attributes)) element.setAttribute(key, attributes[key]);
  parent.appendChild(element);
  return element;
}

function block(name) {
  const element = byId(name);
  return element ? element.textContent : null;
}

function fits(episode, wish) {
  return wish.tags.every(tag => episode.tags.includes(tag)) && episode.turns.length >= wish.least &&
    episode.turns.length <= wish.greatest && episode.question.toLowerCase().includes(wish.words);
}

function number(id, none) {
  const value = parseInt(byId(id).value, 10);
  return Number.isNaN(value) ? none : value;
}

function boxes() {
  return Array.from(document.querySelectorAll('.tag'));
}

function filter(wanted = chosen) {
  const wish = {
    tags: boxes().filter(box => box.checked).map(box => box.value), least: number('least', 0),
    greatest: number('greatest', Infinity), words: byId('words').value.toLowerCase(),
  };
  visible = episodes.filter(episode => fits(episode, wish)).map(episode => episode.n);
  for (const episode of episodes) items[episode.n].hidden = !visible.includes(episode.n);
  byId('count').textContent = visible.length + ' of ' + episodes.length + ' episodes';
  choose(visible.includes(wanted) ? wanted : visible.length ? visible[0] : -1, turn);
}

function remember() {
  const parts = new URLSearchParams();
  const tags = boxes().filter(box => box.checked).map(box => box.value);
  if (tags.length) parts.set('filter', tags.join(','));
  for (const id of ['least', 'greatest', 'words']) if (byId(id).value) parts.set(id, byId(id).value);
  if (chosen >= 0) parts.set('episode', String(chosen));
  try {
    history.replaceState(null, '', '#' + parts.toString());
  } catch (error) { /* some viewers forbid it */ }
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const tags = (parts.get('filter') || '').split(',');
  for (const box of boxes()) box.checked = tags.includes(box.value);
  for (const id of ['least', 'greatest', 'words']) byId(id).value = parts.get(id) || '';
  turn = 0;
  filter(parseInt(parts.get('episode'), 10));
}

// A page that has just been opened stays at its top, unless its address names an episode.
let moving = location.hash.includes('episode=');
function follow(element) {
  if (moving) element.scrollIntoView({block: 'nearest'});
}

function choose(n, at) {
  if (items[chosen]) items[chosen].classList.remove('chosen');
  turn = n === chosen ? at : 0;
  chosen = n;
  for (const id of ['question', 'facts', 'picture', 'turns']) byId(id).textContent = '';
  const episode = episodes[n];
  if (!episode) return;
  items[n].classList.add('chosen');
  follow(items[n]);
  byId('question').textContent = episode.question;
  const facts = byId('facts');
  const answer = episode.answer === null ? 'none (' + episode.ending + ')' : episode.answer;
  make('div', facts, 'answer: ' + answer);
  if (episode.expected !== null) make('div', facts, 'expected: ' + episode.expected);
  make('div', facts, episode.tags.join(', ') + (episode.reason ? ' (' + episode.reason + ')' : ''));
  for (const note of episode.notes) make('div', facts, note, 'note');
  make('div', facts, [episode.picture, episode.size.join(' x ') + ' px', episode.kind, 'task ' + episode.task,
    'seed ' + episode.seed, episode.where].filter(Boolean).join(' · '), 'meta');
  episode.turns.forEach((one, index) => card(episode, one, index));
  mark();
}

function card(episode, one, index) {
  const element = make('div', byId('turns'), null, 'turn');
  element.style.setProperty('--c', one.box ? COLOURS[index % COLOURS.length] : '#777');
  element.addEventListener('click', () => { turn = index; mark(); });
  make('b', element, (index + 1) + '  ');
  if (one.thought) make('span', element, one.thought, 'thought');
  if (one.fault) {
    make('div', element, one.fault + ': ' + one.detail, 'act bad');
    make('div', element, one.text, 'act');
  } else if (one.answer !== undefined) {
    make('div', element, 'answer: ' + one.answer, 'act');
  } else if (one.zoom) {
    make('div', element, 'zoom ' + one.zoom, 'act');
  }
  if (!one.box) return;
  const [left, top, right, bottom] = one.box;
  const size = (right - left) + ' x ' + (bottom - top), at = '(' + left + ', ' + top + ')';
  make('div', element, 'observation_' + one.observation + ': ' + size + ' px at ' + at + ', shown as ' +
    one.shown.join(' x '), 'act');
  const crop = one.crop ? block('crop-' + episode.n + '-' + (index + 1)) : null;
  if (crop) make('img', element, null).src = crop;
}

function outline(left, top, right, bottom) {
  return {x: left, y: top, width: right - left, height: bottom - top, fill: 'none'};
}

function mark() {
  const episode = episodes[chosen];
  const cards = byId('turns').children;
  for (let index = 0; index < cards.length; index++) cards[index].classList.toggle('chosen', index === turn);
  if (cards[turn]) follow(cards[turn]);
  const [width, height] = episode.size, unit = Math.max(width, height) / 1000;
  const place = byId('picture');
  place.textContent = '';
  let url = block('picture-' + episode.n);
  if (url !== null && !url.startsWith('data:')) url = block(url);
  if (url === null) make('div', place, 'The picture is not on this page.', 'bad');
  const svg = draw('svg', place, {viewBox: '0 0 ' + width + ' ' + height});
  if (url !== null) draw('image', svg, {href: url, width, height});
  for (const [left, top, right, bottom] of episode.targets) {
    draw('rect', svg, {...outline(left, top, right, bottom), class: 'target', stroke: '#ffe119',
      'stroke-width': 4 * unit, 'stroke-dasharray': 9 * unit + ' ' + 6 * unit});
  }
  const boxed = episode.turns.map((one, index) => ({box: one.box, index})).filter(one => one.box);
  const area = one => (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]);
  boxed.sort((one, other) => (one.index === turn) - (other.index === turn) || area(other) - area(one));
  for (const {box: [left, top, right, bottom], index} of boxed) {
    const colour = COLOURS[index % COLOURS.length], radius = 12 * unit;
    const x = Math.min(Math.max(left, radius), width - radius);
    const y = Math.min(Math.max(top, radius), height - radius);
    const group = draw('g', svg, {class: 'box', 'data-turn': index + 1});
    draw('rect', group, {...outline(left, top, right, bottom), stroke: colour,
      'stroke-width': (index === turn ? 6 : 2.5) * unit});
    draw('circle', group, {cx: x, cy: y, r: radius, fill: colour});
    draw('text', group, {x, y, fill: '#fff', 'font-size': 15 * unit, 'font-weight': 700,
      'text-anchor': 'middle', 'dominant-baseline': 'central'}).textContent = index + 1;
  }
}

function key(event) {
  const typing = event.target.tagName === 'INPUT' && event.target.type !== 'checkbox';
  if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
  const episode = episodes[chosen], at = visible.indexOf(chosen);
  const step = {ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (!episode || !step) return;
  event.preventDefault();
  if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
    if (visible[at + step] !== undefined) { choose(visible[at + step], 0); remember(); }
  } else if (episode.turns[turn + step]) {
    turn += step;
    mark();
  }
}

for (const episode of episodes) {
  const words = episode.question + '  [' + episode.turns.length + ']';
  const item = make('li', byId('list'), words, episode.tags.join(' '));
  item.addEventListener('click', () => { choose(episode.n, 0); remember(); });
  items.push(item);
}
const renew = () => { filter(); remember(); };
for (const box of boxes()) box.addEventListener('change', renew);
for (const id of ['least', 'greatest', 'words']) byId(id).addEventListener('input', renew);
document.addEventListener('keydown', key);
window.addEventListener('hashchange', recall);
recall();
moving = true;
