// A document with as much of a browser's as the page's script uses: elements found by id, text, classes,
// events.
const pages = JSON.parse(require('fs').readFileSync(0, 'utf8'));
class Element {
  constructor(tag) {
    Object.assign(this, {tagName: tag.toUpperCase(), children: [], attributes: {}, own: '', value: '',
    hidden: false, checked: false, className: '', listeners: {}, style: {setProperty() {}}}); }
  get textContent() { return this.own + this.children.map(child => child.textContent).join(''); }
  set textContent(text) { this.children = []; this.own = String(text); }
  set innerHTML(text) { throw new Error('markup from a text'); }
  get classList() { const names = () => this.className.split(' ').filter(Boolean);
    const put = n => this.className = n.join(' ');
    return {add: n => put([...names(), n]), remove: n => put(names().filter(m => m !== n)),
      toggle: (n, on) => put([...names().filter(m => m !== n), ...(on ? [n] : [])])}; }
  appendChild(child) { this.children.push(child); }
  setAttribute(key, value) { this.attributes[key] = String(value); }
  addEventListener(name, act) { this.listeners[name] = act; }
  scrollIntoView() {}
}
const ids = {}, all = [];
for (const {tag, attrs, text} of pages.elements) {
  const element = new Element(tag);
  Object.assign(element, {own: text, className: attrs.class || '', value: attrs.value || ''});
  if (attrs.id) ids[attrs.id] = element;
  all.push(element);
}
global.document = Object.assign(new Element('document'), {getElementById: id => ids[id] || null,
  createElement: tag => new Element(tag), createElementNS: (space, tag) => new Element(tag),
  querySelectorAll: rule => all.filter(one => ('.' + one.className) === rule)});
global.window = new Element('window');
global.location = {hash: pages.hash};
global.history = {replaceState: (a, b, hash) => { location.hash = hash; }};
(0, eval)(pages.script);
const walk = one => [one, ...one.children.flatMap(walk)];
const look = () => ({
  listed: ids.list.children.filter(one => !one.hidden).map(one => one.textContent),
  count: ids.count.textContent,
  question: ids.question.textContent, hash: location.hash,
  turns: ids.turns.children.map(one => one.textContent),
  chosen: ids.list.children.filter(one => one.className.includes('chosen')).map(one => one.textContent),
  current: ids.turns.children.findIndex(one => one.className.includes('chosen')),
  images: walk(ids.picture).filter(one => one.tagName === 'IMAGE')
    .map(one => one.attributes.href.slice(0, 11)),
  boxes: walk(ids.picture).filter(one => one.attributes.class === 'box')
    .map(one => one.attributes['data-turn']),
  targets: walk(ids.picture).filter(one => one.attributes.class === 'target').map(one => one.attributes.x)});
const seen = [look()];
for (const step of pages.steps) {
  if (step.hash !== undefined) { location.hash = step.hash; window.listeners.hashchange(); }
  if (step.key) document.listeners.keydown({key: step.key, target: {tagName: 'BODY'}, preventDefault() {}});
  if (step.type) { ids[step.type[0]].value = step.type[1]; ids[step.type[0]].listeners.input(); }
  seen.push(look());
}
console.log(JSON.stringify(seen));
