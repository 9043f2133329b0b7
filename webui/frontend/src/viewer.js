// Draws the diagrams of a page from their BPMN files; without it the link to the text form stays.
import NavigatedViewer from 'bpmn-js/lib/NavigatedViewer';

import 'bpmn-js/dist/assets/diagram-js.css';
import 'bpmn-js/dist/assets/bpmn-js.css';
import './viewer.css';

const FONTS = '"Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "HarmonyOS Sans SC", ' +
  '"MiSans", "Microsoft YaHei", sans-serif';
const TEXT_SIZE = 14;
const OUTSIDE_TEXT_SIZE = 12;
const READABLE_SIZE = 15;
const LARGEST_SCALE = 1.6;
const MARGIN = 12;
// The strip below the picture that belongs to the bpmn.io mark alone; viewer.css keeps the picture out of it.
const MARK_STRIP = 48;
const HIGHEST_SHARE = 0.7;
// Between the margins of an A4 page, in px.
const PAPER_WIDTH = 660;
const STEP = 60;
const BADGE_HEIGHT = 20;
const STEP_TIME = 700;
// Inside the shape: lines arrive at its edges, and a call has no sign of its kind in that place.
const DOOR_TOP = 4;
const MARKS = ['done', 'late', 'now', 'pick', 'path'];

const WORDS = {
  zh: {
    larger: '放大', smaller: '缩小', whole: '看全图', readable: '看清字', picture: '流程图',
    play: '在图上走一遍', stop: '停下', step: '第 {n} 步，共 {all} 步'
  },
  en: {
    larger: 'Larger', smaller: 'Smaller', whole: 'Whole picture', readable: 'Readable', picture: 'Diagram',
    play: 'Show on the diagram', stop: 'Stop', step: 'Step {n} of {all}'
  }
};

function words() {
  return document.documentElement.lang.startsWith('en') ? WORDS.en : WORDS.zh;
}

function facts(frame, name) {
  return JSON.parse(frame.dataset[name] || '{}');
}

// One picture: the frame is the element of the page, the sheet what bpmn-js draws into.
class Picture {
  constructor(frame) {
    this.frame = frame;
    this.sheet = document.createElement('div');
    this.sheet.className = 'diagram-sheet';
    frame.append(this.sheet);
    this.viewer = new NavigatedViewer({
      container: this.sheet,
      // The wheel scrolls the page; buttons change the size.
      zoomScroll: { enabled: false },
      bpmnRenderer: { defaultFillColor: '#ffffff', defaultStrokeColor: '#4a5652', defaultLabelColor: '#17201e' },
      textRenderer: {
        defaultStyle: { fontFamily: FONTS, fontSize: TEXT_SIZE },
        externalStyle: { fontFamily: FONTS, fontSize: OUTSIDE_TEXT_SIZE }
      }
    });
    this.canvas = this.viewer.get('canvas');
    this.elements = this.viewer.get('elementRegistry');
  }

  async draw(xml) {
    await this.viewer.importXML(xml);
    this.bounds = this.canvas.viewbox().inner;
    this.mark(facts(this.frame, 'marks'));
    this.tag(facts(this.frame, 'badges'));
    this.lead(JSON.parse(this.frame.dataset.calls || '[]'));
    this.addTools();
    this.openReadable();
    this.listen();
    this.frame.classList.add('is-drawn');
  }

  discard() {
    this.viewer.destroy();
    this.sheet.remove();
  }

  mark(marks) {
    for (const [id, names] of Object.entries(marks)) {
      for (const name of names.split(' ').filter((known) => MARKS.includes(known))) {
        if (this.elements.get(id)) this.canvas.addMarker(id, `is-${name}`);
      }
    }
  }

  tag(badges) {
    const overlays = this.viewer.get('overlays');
    for (const [id, text] of Object.entries(badges)) {
      const element = this.elements.get(id);
      if (!element) continue;
      const tag = document.createElement('span');
      tag.className = 'diagram-badge';
      tag.textContent = text;
      const left = (element.width || 0) / 2;
      overlays.add(id, 'badge', { position: { top: (element.height || 0) - BADGE_HEIGHT / 2, left }, html: tag });
    }
  }

  // A number stands at the corner of a shape, or in the middle of an arrow.
  number(id, text) {
    const element = this.elements.get(id);
    const points = element.waypoints;
    const sign = document.createElement('span');
    sign.className = 'diagram-number';
    sign.textContent = text;
    let position = { top: 0, left: 0 };
    if (points) {
      const [from, to] = [points[Math.ceil(points.length / 2) - 1], points[Math.ceil(points.length / 2)]];
      const left = Math.min(...points.map((point) => point.x));
      const top = Math.min(...points.map((point) => point.y));
      position = { top: (from.y + to.y) / 2 - top, left: (from.x + to.x) / 2 - left };
    }
    // Where the whole way is small its numbers stay large enough to read.
    this.viewer.get('overlays').add(id, 'number', { position, html: sign, scale: { min: 0.8 } });
  }

  // A call activity is a door: the page it leads to shows what it calls.
  lead(calls) {
    const overlays = this.viewer.get('overlays');
    for (const id of calls) {
      const element = this.elements.get(id);
      if (!element) continue;
      const door = document.createElement('a');
      door.className = 'diagram-door';
      door.href = this.frame.dataset.door.replace('call=', `call=${encodeURIComponent(id)}`);
      door.textContent = this.frame.dataset.doorWord;
      door.setAttribute('aria-label', `${element.businessObject.name || ''} ${door.textContent}`.trim());
      overlays.add(id, 'door', { position: { top: DOOR_TOP, left: element.width / 2 }, html: door });
    }
  }

  addTools() {
    const tools = document.createElement('div');
    tools.className = 'diagram-tools';
    const label = words();
    const acts = [
      [label.larger, () => this.scaleBy(1.25)],
      [label.smaller, () => this.scaleBy(0.8)],
      [label.whole, () => this.openWhole()],
      [label.readable, () => this.openReadable()]
    ];
    for (const [text, act] of acts) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = text;
      button.addEventListener('click', act);
      tools.append(button);
    }
    this.frame.append(tools);
  }

  get room() {
    return { width: this.sheet.clientWidth, height: this.sheet.clientHeight - MARK_STRIP };
  }

  get highest() {
    return Math.max(320, window.innerHeight * HIGHEST_SHARE);
  }

  get wholeScale() {
    const high = (this.highest - 2 * MARGIN - MARK_STRIP) / this.bounds.height;
    return Math.min((this.room.width - 2 * MARGIN) / this.bounds.width, high);
  }

  // The largest picture that is seen at once; where its text would be too small, a readable part of it.
  openReadable() {
    const scale = Math.min(LARGEST_SCALE, Math.max(this.wholeScale, READABLE_SIZE / TEXT_SIZE));
    this.open(scale, this.frame.dataset.fit === 'whole' ? 'openWhole' : 'openReadable');
  }

  openWhole() {
    this.open(Math.min(LARGEST_SCALE, this.wholeScale), 'openWhole');
  }

  // These elements as large as the room allows.
  openAround(ids = this.around) {
    this.view = 'openAround';
    this.around = ids;
    const corners = ids.map((id) => this.elements.get(id)).flatMap((each) => each.waypoints || [
      { x: each.x, y: each.y }, { x: each.x + each.width, y: each.y + each.height }
    ]);
    const [xs, ys] = [corners.map((point) => point.x), corners.map((point) => point.y)];
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
    const room = this.room;
    const scale = Math.min(
      LARGEST_SCALE, room.width / (width + 4 * MARGIN), room.height / (height + 4 * MARGIN)
    );
    this.show(scale, { x: left - (room.width / scale - width) / 2, y: top - (room.height / scale - height) / 2 });
    this.frame.classList.add('is-partial');
  }

  // Nothing tells a script how wide the page lies on paper; a picture that is not printed has no width at all.
  toPaper() {
    if (!this.sheet.clientWidth) return;
    const scale = Math.min(this.wholeScale, (PAPER_WIDTH - 2 * MARGIN) / this.bounds.width);
    this.sheet.style.height = `${Math.round(this.bounds.height * scale + 2 * MARGIN + MARK_STRIP)}px`;
    this.canvas.resized();
    this.show(scale, { x: this.bounds.x - MARGIN / scale, y: this.bounds.y - MARGIN / scale });
  }

  open(scale, view) {
    this.view = view;
    const wanted = this.bounds.height * scale + 2 * MARGIN + MARK_STRIP;
    this.sheet.style.height = `${Math.round(Math.min(wanted, this.highest))}px`;
    this.canvas.resized();
    this.show(scale, this.start(scale));
    this.frame.classList.toggle('is-partial', scale > this.wholeScale + 0.001);
  }

  // The corner of the diagram that is shown top left: around the element in focus, never beyond the picture.
  start(scale) {
    const room = { width: this.room.width / scale, height: this.room.height / scale };
    const margin = MARGIN / scale;
    const focus = this.elements.get(this.frame.dataset.focus || '');
    const along = (from, size, shown, at) => {
      const first = from - margin;
      const last = from + size + margin - shown;
      if (last <= first) return (first + last) / 2;
      return Math.min(Math.max(at === null ? first : at - shown / 2, first), last);
    };
    const { x, y, width, height } = this.bounds;
    return {
      x: along(x, width, room.width, focus ? focus.x + focus.width / 2 : null),
      y: along(y, height, room.height, focus ? focus.y + focus.height / 2 : null)
    };
  }

  show(scale, corner) {
    this.canvas.viewbox({ ...corner, width: this.room.width / scale, height: this.room.height / scale });
  }

  // Moves the picture so that an element is in sight.
  bring(id) {
    const element = this.elements.get(id);
    const { x, y, width, height, scale } = this.canvas.viewbox();
    const at = element.waypoints ? element.waypoints[element.waypoints.length - 1] : element;
    if (at.x < x || at.y < y || at.x > x + width || at.y > y + height) {
      this.show(scale, { x: at.x - width / 2, y: at.y - height / 2 });
    }
  }

  scaleBy(factor) {
    const { x, y, width, height, scale } = this.canvas.viewbox();
    const next = Math.min(3, Math.max(0.2, scale * factor));
    const keep = 1 - scale / next;
    this.show(next, { x: x + (width * keep) / 2, y: y + (height * keep) / 2 });
    this.frame.classList.add('is-partial');
  }

  listen() {
    this.viewer.get('eventBus').on('element.click', ({ element }) => this.select(element));
    this.listenToKeys();
    this.listenToFingers();
    let width = this.sheet.clientWidth;
    new ResizeObserver(() => {
      if (this.sheet.clientWidth && this.sheet.clientWidth !== width) {
        width = this.sheet.clientWidth;
        this[this.view]();
      }
    }).observe(this.sheet);
    window.addEventListener('beforeprint', () => {
      this.onScreen = this.view;
      this.view = 'toPaper';
      this.toPaper();
    });
    window.addEventListener('afterprint', () => {
      if (this.onScreen) this.view = this.onScreen;
      if (this.sheet.clientWidth) this[this.view]();
    });
  }

  listenToKeys() {
    const svg = this.sheet.querySelector('svg');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', this.frame.getAttribute('aria-label') || words().picture);
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    svg.addEventListener('keydown', (event) => {
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.canvas.scroll({ dx: move[0], dy: move[1] });
    });
  }

  // bpmn-js pans with the mouse only.
  listenToFingers() {
    let last = null;
    this.sheet.addEventListener('pointerdown', (event) => {
      last = event.pointerType === 'touch' && event.isPrimary ? event : null;
    });
    this.sheet.addEventListener('pointermove', (event) => {
      if (!last || event.pointerId !== last.pointerId) return;
      this.canvas.scroll({ dx: event.clientX - last.clientX, dy: event.clientY - last.clientY });
      last = event;
    });
    for (const end of ['pointerup', 'pointercancel']) {
      this.sheet.addEventListener(end, () => { last = null; });
    }
  }

  select(element) {
    const chosen = element.labelTarget || element;
    if (chosen === this.canvas.getRootElement()) return;
    for (const other of this.elements.filter((each) => this.canvas.hasMarker(each, 'is-pick'))) {
      this.canvas.removeMarker(other, 'is-pick');
    }
    this.canvas.addMarker(chosen, 'is-pick');
    this.frame.dispatchEvent(new CustomEvent('sihua:select', { bubbles: true, detail: { id: chosen.id } }));
    showFacts(chosen.id);
  }
}

// A way through the picture: every step of it marked and numbered as in the list beside it, and walked on demand.
class Way {
  constructor(picture, place) {
    this.picture = picture;
    const listed = new Set([...place.querySelectorAll('[data-element]')].map((each) => each.dataset.element));
    let number = 0;
    const steps = JSON.parse(place.dataset.path).map((id) => {
      if (listed.has(id)) number += 1;
      return { id, number, listed: listed.has(id) };
    });
    this.count = number;
    this.steps = steps.filter((step) => picture.elements.get(step.id));
  }

  get ids() {
    return [...new Set(this.steps.map((step) => step.id))];
  }

  show() {
    for (const id of this.ids) {
      this.picture.canvas.addMarker(id, 'is-path');
      const numbers = this.steps.filter((step) => step.id === id && step.listed).map((step) => step.number);
      if (numbers.length) this.picture.number(id, numbers.join('·'));
    }
    this.picture.openAround(this.ids);
  }

  hide() {
    this.stop();
    for (const id of this.ids) this.picture.canvas.removeMarker(id, 'is-path');
    this.picture.viewer.get('overlays').remove({ type: 'number' });
  }

  walk(told, over) {
    let at = 0;
    const step = () => {
      this.unmark();
      if (at === this.steps.length) return over();
      const { id, number } = this.steps[at];
      this.here = id;
      this.picture.canvas.addMarker(id, 'is-now');
      this.picture.bring(id);
      at += 1;
      told(Math.max(number, 1), this.count);
      this.timer = window.setTimeout(step, STEP_TIME);
    };
    step();
  }

  stop() {
    window.clearTimeout(this.timer);
    this.unmark();
  }

  unmark() {
    if (this.here) this.picture.canvas.removeMarker(this.here, 'is-now');
    this.here = null;
  }
}

let shown = null;

// The first way stands on the picture from the beginning, another when its list is opened; without the picture a way is
// the list of its names.
function offerWays(picture) {
  for (const place of document.querySelectorAll('[data-path]')) {
    const way = new Way(picture, place);
    if (!way.steps.length) continue;
    const bar = document.createElement('p');
    bar.className = 'diagram-way';
    const button = document.createElement('button');
    const told = document.createElement('span');
    button.type = 'button';
    button.className = 'btn';
    told.setAttribute('role', 'status');
    const rest = () => {
      way.stop();
      button.textContent = words().play;
      told.textContent = '';
    };
    const show = () => {
      if (shown === way) return;
      if (shown) shown.leave();
      shown = way;
      way.show();
    };
    way.leave = () => {
      rest();
      way.hide();
    };
    place.addEventListener('toggle', () => { if (place.open) show(); });
    button.addEventListener('click', () => {
      show();
      if (button.textContent === words().stop) return rest();
      button.textContent = words().stop;
      picture.frame.scrollIntoView({ block: 'nearest' });
      way.walk((n, all) => {
        told.textContent = ` ${words().step.replace('{n}', n).replace('{all}', all)}`;
      }, rest);
    });
    rest();
    bar.append(button, told);
    place.before(bar);
    if (!shown) {
      place.open = true;
      show();
    }
  }
}

function showFacts(id) {
  const panel = document.getElementById(`facts-${id}`);
  if (!panel) return;
  for (const other of panel.parentElement.children) {
    if (other !== panel && other.id.startsWith('facts-') && panel.hidden) other.hidden = true;
  }
  panel.hidden = false;
  if (panel instanceof HTMLDetailsElement) panel.open = true;
  panel.scrollIntoView({ block: 'nearest' });
}

// A diagram has an address, or stands in the page itself.
async function source(place) {
  if (place.startsWith('#')) return document.querySelector(place).value;
  const answer = await fetch(place, { credentials: 'same-origin' });
  if (!answer.ok) throw new Error(`${place}: ${answer.status}`);
  return answer.text();
}

async function drawInto(frame) {
  const xml = await source(frame.dataset.diagram);
  const picture = new Picture(frame);
  try {
    await picture.draw(xml);
    offerWays(picture);
  } catch (error) {
    picture.discard();
    throw error;
  }
}

for (const frame of document.querySelectorAll('.diagram[data-diagram]')) {
  drawInto(frame).catch((error) => {
    frame.classList.add('is-missing');
    console.warn(error.message);
  });
}
