"""The episode browser's elements, style and script. The script makes text nodes only: nothing it shows can
become markup."""

from __future__ import annotations

from html import escape

from mini_o3.show.browser import TAGS
from mini_o3.show.page import COLOURS


def browser_html() -> str:
    """The empty browser; the script fills it from the page's data blocks."""
    boxes = "".join(
        f'<label><input type="checkbox" class="tag" value="{escape(name)}"> {escape(words)}</label>'
        for name, words in TAGS.items()
    )
    return (
        f'<div id="filters">{boxes}<label>turns <input id="least" type="number" min="0" size="4"> to <input'
        ' id="greatest" type="number" min="0" size="4"></label><label>question has <input id="words"'
        ' type="search"></label> <b id="count"></b></div><div id="browser"><ol id="list"></ol><div'
        ' id="shown"><h3 id="question"></h3><div id="facts"></div><div id="both"><div'
        ' id="picture"></div><div id="turns"></div></div></div></div><p class="meta">Arrow keys: up and down'
        " for episodes, left and right for turns. Dashed: the target, where it is known. The address keeps"
        " what is chosen, as in #filter=wrong,malformed&amp;least=3&amp;words=sign.</p>"
    )


STYLE = """
#filters label { margin-right: 14px; white-space: nowrap } #filters input[type=number] { width: 4em }
#browser { display: flex; gap: 14px; margin-top: 10px; align-items: flex-start }
#list { flex: 0 0 280px; max-height: 88vh; overflow-y: auto; margin: 0; padding: 0; list-style: none; background: #fff;
  border: 1px solid #ddd }
#list li { padding: 5px 8px; border-left: 5px solid #999; border-bottom: 1px solid #eee; cursor: pointer; font-size: 13px;
  overflow-wrap: anywhere } #list li.chosen { background: #e4ecfb }
#list li.right { border-left-color: #2e8b57 } #list li.wrong { border-left-color: #b00020 }
#shown { flex: 1; min-width: 0 } #shown h3 { margin: 0 0 4px; white-space: pre-wrap; overflow-wrap: anywhere }
#facts div { overflow-wrap: anywhere } #facts .note { color: #8a5a00 }
#both { display: flex; gap: 14px; flex-wrap: wrap; align-items: flex-start; margin-top: 8px }
#picture { flex: 3 1 420px; position: sticky; top: 8px } #picture svg { width: 100%; max-height: 86vh; background: #222 }
#turns { flex: 2 1 320px; min-width: 0; max-height: 86vh; overflow-y: auto }
.turn { background: #fff; border: 1px solid #ddd; border-left: 6px solid var(--c, #999); border-radius: 6px; cursor: pointer;
  padding: 8px 10px; margin-bottom: 8px; overflow-wrap: anywhere; white-space: pre-wrap }
.turn.chosen { background: #f1f5ff; border-color: #7a9be8; border-left-color: var(--c, #999) }
.turn img { display: block; margin-top: 6px; max-width: 100%; border: 1px solid #ccc }
.thought { font-style: italic } .act { font-family: ui-monospace, monospace; font-size: 13px } .bad { color: #b00020 }
"""

SCRIPT = (
    """
'use strict';
const COLOURS = """
    + str(list(COLOURS))
    + """;
const byId = id => document.getElementById(id);
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
  try { history.replaceState(null, '', '#' + parts.toString()); } catch (error) { /* some viewers forbid it */ }
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
  make('div', facts, 'answer: ' + (episode.answer === null ? 'none (' + episode.ending + ')' : episode.answer));
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
  make('div', element, 'observation_' + one.observation + ': ' + (right - left) + ' x ' + (bottom - top) + ' px at (' + left +
    ', ' + top + '), shown as ' + one.shown.join(' x '), 'act');
  const crop = one.crop ? block('crop-' + episode.n + '-' + (index + 1)) : null;
  if (crop) make('img', element, null).src = crop;
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
    draw('rect', svg, {class: 'target', x: left, y: top, width: right - left, height: bottom - top, fill: 'none',
      stroke: '#ffe119', 'stroke-width': 4 * unit, 'stroke-dasharray': 9 * unit + ' ' + 6 * unit});
  }
  const boxed = episode.turns.map((one, index) => ({box: one.box, index})).filter(one => one.box);
  const area = one => (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]);
  boxed.sort((one, other) => (one.index === turn) - (other.index === turn) || area(other) - area(one));
  for (const {box: [left, top, right, bottom], index} of boxed) {
    const colour = COLOURS[index % COLOURS.length], radius = 12 * unit;
    const x = Math.min(Math.max(left, radius), width - radius), y = Math.min(Math.max(top, radius), height - radius);
    const group = draw('g', svg, {class: 'box', 'data-turn': index + 1});
    draw('rect', group, {x: left, y: top, width: right - left, height: bottom - top, fill: 'none', stroke: colour,
      'stroke-width': (index === turn ? 6 : 2.5) * unit});
    draw('circle', group, {cx: x, cy: y, r: radius, fill: colour});
    draw('text', group, {x, y, fill: '#fff', 'font-size': 15 * unit, 'font-weight': 700, 'text-anchor': 'middle',
      'dominant-baseline': 'central'}).textContent = index + 1;
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
  const item = make('li', byId('list'), episode.question + '  [' + episode.turns.length + ']', episode.tags.join(' '));
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
"""
)
