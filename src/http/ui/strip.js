// A stretch of time as a coloured strip: recorded, on its way, gaps; with words under the pointer.

import { setText, svg } from './dom.js';
import { clock, exactly, moment, tile as tileWords } from './words.js';

const HEIGHT = 12;
const SHORTEST_GAP_MS = 500;
// In the strip's own units; each kind has its own height, so that colour is not all that tells them apart.
const SHAPES = {
  uploaded: ['uploaded', 0, 12],
  waiting: ['waiting', 3, 9],
  open: ['waiting', 3, 9],
  failed: ['lost', 6, 6],
  dropped: ['lost', 6, 6],
  lost: ['lost', 6, 6],
  gap: ['gap', 9, 3],
  unknown: ['gap', 9, 3],
};

// Times of a timeline's tiles in milliseconds.
export function parsed(timeline) {
  return timeline.tiles
    .map((tile) => ({ ...tile, from: Date.parse(tile.start), to: Date.parse(tile.end) }))
    // what nobody can see in the picture needs no words either
    .filter((tile) => tile.kind !== 'gap' || tile.to - tile.from >= SHORTEST_GAP_MS);
}

export class Strip {
  tiles = [];
  from = 0;
  to = 1;

  constructor(tip) {
    this.element = svg('svg', {
      class: 'strip', viewBox: `0 0 1000 ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img',
    });
    this.tip = tip;
    this.element.addEventListener('pointermove', (event) => this.#point(event));
    this.element.addEventListener('pointerleave', () => this.tip.hide());
  }

  draw(tiles, from, to) {
    this.tiles = tiles;
    this.from = from;
    this.to = to;
    const scale = 1000 / (to - from);
    const shapes = [];
    for (const tile of tiles) {
      const shape = SHAPES[tile.kind];
      const start = Math.max(tile.from, from);
      const end = Math.min(tile.to, to);
      if (!shape || end <= start) continue;
      const [name, y, height] = shape;
      const width = Math.max((end - start) * scale, 1.5);
      shapes.push(svg('rect', { class: `tile ${name}`, x: ((start - from) * scale).toFixed(2), y, width: width.toFixed(2), height }));
    }
    this.element.replaceChildren(...shapes);
    const words = `${moment(from, to)} to ${clock(to)}: ${summary(tiles, from, to)}`;
    this.element.setAttribute('aria-label', words);
  }

  // The moment below a pointer.
  at(clientX) {
    const box = this.element.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    return this.from + share * (this.to - this.from);
  }

  tileAt(ms) {
    return this.tiles.find((tile) => tile.from <= ms && ms < tile.to);
  }

  #point(event) {
    const ms = this.at(event.clientX);
    this.tip.show(event.clientX, this.element.getBoundingClientRect().top, words(ms, this.tileAt(ms), this.to));
  }
}

// What became of a moment, with the stretch it belongs to.
export function words(ms, tile, now) {
  if (!tile || tile.kind === 'before') return [moment(ms, now), 'before the first recording'];
  const length = exactly((tile.to - tile.from) / 1000);
  if (tile.kind === 'open' || tile.kind === 'uploaded') return [moment(ms, now), tileWords(tile)];
  return [`${moment(tile.from, now)} – ${clock(tile.to)} · ${length}`, tileWords(tile)];
}

// A day in a sentence.
export function summary(tiles, from, to) {
  const sums = { footage: 0, waiting: 0, lost: 0, gap: 0, gaps: 0 };
  for (const tile of tiles) {
    const length = Math.max(0, Math.min(tile.to, to) - Math.max(tile.from, from)) / 1000;
    if (tile.kind === 'gap' || tile.kind === 'unknown') {
      sums.gap += length;
      sums.gaps += 1;
    } else if (tile.kind !== 'before') {
      sums[SHAPES[tile.kind]?.[0] === 'lost' ? 'lost' : 'footage'] += length;
      if (tile.kind === 'waiting') sums.waiting += length;
    }
  }
  if (sums.footage + sums.lost + sums.gap === 0) return 'nothing recorded yet';
  const parts = [`${exactly(sums.footage)} recorded`];
  if (sums.waiting) parts.push(`${exactly(sums.waiting)} of it wait for upload`);
  if (sums.lost) parts.push(`${exactly(sums.lost)} lost`);
  parts.push(sums.gaps ? `${sums.gaps === 1 ? 'one gap' : `${sums.gaps} gaps`}, ${exactly(sums.gap)} in all` : 'no gap');
  return parts.join(', ');
}

// The one label that follows the pointer.
export class Tip {
  #x = 0;
  #y = 0;

  constructor() {
    this.element = document.createElement('div');
    this.element.className = 'tip';
    this.element.hidden = true;
    this.picture = document.createElement('img');
    this.picture.alt = '';
    this.picture.hidden = true;
    // a still that is not there is left away
    this.picture.addEventListener('error', () => { this.picture.hidden = true; });
    this.picture.addEventListener('load', () => {
      this.picture.hidden = false;
      this.#place();
    });
    this.head = document.createElement('strong');
    this.body = document.createElement('span');
    this.element.append(this.picture, this.head, this.body);
    document.body.append(this.element);
  }

  show(x, y, [head, body], picture = null) {
    setText(this.head, head);
    setText(this.body, body);
    if (!picture) this.picture.hidden = true;
    else if (this.picture.getAttribute('src') !== picture) this.picture.setAttribute('src', picture);
    else this.picture.hidden = this.picture.naturalWidth === 0;
    this.element.hidden = false;
    this.#x = x;
    this.#y = y;
    this.#place();
  }

  // Above the pointer, or below it where there is no room.
  #place() {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.min(Math.max(8, this.#x - width / 2), innerWidth - width - 8);
    const above = this.#y - height - 8;
    this.element.style.left = `${left}px`;
    this.element.style.top = `${above > 4 ? above : this.#y + 30}px`;
  }

  hide() {
    this.element.hidden = true;
  }
}
