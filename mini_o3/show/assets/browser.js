// The episode browser of a report, with what picture.js draws.
const byId = id => document.getElementById(id);
const COLOURS = JSON.parse(byId('colours').textContent);
const episodes = JSON.parse(byId('episodes').textContent);
const items = [];
let visible = [], chosen = -1, turn = 0;

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

function select(item, isChosen) {
  item.classList.toggle('chosen', isChosen);
  item.setAttribute('aria-selected', isChosen);
}

function choose(n, at) {
  if (items[chosen]) select(items[chosen], false);
  turn = n === chosen ? at : 0;
  chosen = n;
  for (const id of ['question', 'facts', 'picture', 'turns']) byId(id).textContent = '';
  const episode = episodes[n];
  if (!episode) return;
  select(items[n], true);
  follow(items[n]);
  byId('question').textContent = episode.question;
  const facts = byId('facts');
  const answer = episode.answer === null ? 'none (' + episode.ending + ')' : episode.answer;
  make('div', facts, 'answer: ' + answer);
  if (episode.expected !== null) make('div', facts, 'expected: ' + episode.expected);
  if (episode.confidence !== null) make('div', facts, 'confidence: ' + Math.round(100 * episode.confidence) + '%');
  make('div', facts, episode.tags.join(', ') + (episode.reason ? ' (' + episode.reason + ')' : ''));
  for (const note of episode.notes) make('div', facts, note, 'note');
  make('div', facts, [episode.picture, episode.size.join(' x ') + ' px', episode.kind, 'task ' + episode.task,
    'seed ' + episode.seed, episode.where].filter(Boolean).join(' · '), 'meta');
  episode.turns.forEach((one, index) => card(episode, one, index));
  mark();
}

function card(episode, one, index) {
  const crop = one.crop ? address('crop-' + episode.n + '-' + (index + 1)) : null;
  const element = drawTurn(byId('turns'), one, index, crop, COLOURS);
  element.addEventListener('click', () => { turn = index; mark(); });
}

// Where a picture is: in a block of this page, in the block that this one names, or in the folder beside the page.
function address(name) {
  const said = block(name);
  return said === null ? null : block(said) || said;
}

function mark() {
  const episode = episodes[chosen];
  const cards = byId('turns').children;
  for (let index = 0; index < cards.length; index++) cards[index].classList.toggle('chosen', index === turn);
  if (cards[turn]) follow(cards[turn]);
  const place = byId('picture'), url = address('picture-' + episode.n);
  place.textContent = '';
  if (url === null) make('div', place, 'The picture is not on this page.', 'bad');
  drawEpisode(place, episode, turn, url, COLOURS);
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
  item.setAttribute('role', 'option');
  make('small', item, episode.picture + ', sample ' + episode.seed);
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
