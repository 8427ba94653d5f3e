// A picture with boxes, and the elements of pages. It makes text nodes only: nothing it shows can become markup.
'use strict';

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

function outline(left, top, right, bottom) {
  return {x: left, y: top, width: right - left, height: bottom - top, fill: 'none'};
}

// Draws `episode` into the element `place`: the picture at `url` (null: none), its targets dashed, the numbered
// box of every turn, the one of turn `turn` last and widest, and the evidence dotted. Boxes are
// [left, top, right, bottom] in pixels of the original, whose size is `episode.size`.
function drawEpisode(place, episode, turn, url, colours) {
  const [width, height] = episode.size, unit = Math.max(width, height) / 1000;
  const svg = draw('svg', place, {viewBox: '0 0 ' + width + ' ' + height, role: 'img',
    'aria-label': 'the picture with numbered boxes'});
  if (url !== null) draw('image', svg, {href: url, width, height});
  for (const box of episode.targets) {
    draw('rect', svg, {...outline(...box), class: 'target', stroke: '#ffe119', 'stroke-width': 4 * unit,
      'stroke-dasharray': 9 * unit + ' ' + 6 * unit});
  }
  const boxed = episode.turns.map((one, index) => ({box: one.box, index})).filter(one => one.box);
  const area = one => (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]);
  boxed.sort((one, other) => (one.index === turn) - (other.index === turn) || area(other) - area(one));
  for (const {box, index} of boxed) numbered(svg, box, index, index === turn, colours, [width, height], unit);
  if (episode.evidence) {
    const edge = outline(...episode.evidence);
    draw('rect', svg, {...edge, class: 'halo', stroke: '#000', 'stroke-width': 7 * unit});
    draw('rect', svg, {...edge, class: 'evidence', stroke: '#00e5ff', 'stroke-width': 4 * unit,
      'stroke-dasharray': 2 * unit + ' ' + 5 * unit, 'stroke-linecap': 'round'});
  }
}

function numbered(svg, box, index, isChosen, colours, size, unit) {
  const colour = colours[index % colours.length], radius = 12 * unit;
  const x = Math.min(Math.max(box[0], radius), size[0] - radius);
  const y = Math.min(Math.max(box[1], radius), size[1] - radius);
  const group = draw('g', svg, {class: 'box', 'data-turn': index + 1});
  draw('rect', group, {...outline(...box), stroke: colour, 'stroke-width': (isChosen ? 6 : 2.5) * unit});
  draw('circle', group, {cx: x, cy: y, r: radius, fill: colour});
  draw('text', group, {x, y, fill: '#fff', 'font-size': 15 * unit, 'font-weight': 700,
    'text-anchor': 'middle', 'dominant-baseline': 'central'}).textContent = index + 1;
}

// One turn as a card in `place`; `crop` is the address of what it saw, or null.
function drawTurn(place, one, index, crop, colours) {
  const element = make('div', place, null, 'turn');
  element.style.setProperty('--c', one.box ? colours[index % colours.length] : '#777');
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
  if (!one.box) return element;
  const [left, top, right, bottom] = one.box;
  const size = (right - left) + ' x ' + (bottom - top), at = '(' + left + ', ' + top + ')';
  make('div', element, 'observation_' + one.observation + ': ' + size + ' px at ' + at + ', shown as ' +
    one.shown.join(' x '), 'act');
  if (crop) Object.assign(make('img', element, null), {src: crop, alt: 'observation ' + one.observation});
  return element;
}
