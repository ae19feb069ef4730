// The last half hour as a slider: its right end is live. Draws what is recorded, reports where the viewer wants to be.

import { h, setAttribute, setText } from './dom.js';
import { Strip, words } from './strip.js';
import { clock, exactly, minute } from './words.js';

export const SPAN_MS = 30 * 60 * 1000;
const TICK_MS = 5 * 60 * 1000;
// So close to the end somebody means live.
const LIVE_MS = 8000;

// `wanted(ms | null)`: a moment, or null for live. `thumb(ms)`: the address of a still of then.
export class Scrubber {
  #to = 0;
  #position = null;
  #dragged = null;

  constructor(tip, wanted, thumb) {
    Object.assign(this, { tip, wanted, thumb });
    this.strip = new Strip(tip);
    this.strip.element.setAttribute('aria-hidden', 'true');
    this.strip.element.removeAttribute('role');
    this.handle = h('span', { class: 'handle' });
    this.ticks = h('div', { class: 'ticks', 'aria-hidden': 'true' });
    this.track = h('div', {
      class: 'track', role: 'slider', tabindex: '0', 'aria-label': 'Time, the last 30 minutes',
      'aria-valuemin': -SPAN_MS / 1000, 'aria-valuemax': 0, 'aria-orientation': 'horizontal',
    }, this.strip.element, this.handle);
    this.element = h('div', { class: 'scrubber' }, this.track, this.ticks);
    this.track.addEventListener('pointerdown', (event) => this.#down(event));
    this.track.addEventListener('pointermove', (event) => this.#move(event));
    this.track.addEventListener('pointerup', (event) => this.#up(event));
    this.track.addEventListener('pointercancel', () => this.#drop());
    this.track.addEventListener('pointerleave', () => { if (this.#dragged === null) this.tip.hide(); });
  }

  // `position` in milliseconds, null for live.
  update(now, position, tiles) {
    const from = now - SPAN_MS;
    if (tiles !== this.drawn || now - this.#to >= 1000) {
      this.#to = now;
      this.drawn = tiles;
      this.strip.draw(withNow(tiles ?? [], now), from, now);
      this.#tick(from, now);
    }
    this.#position = position;
    this.#place(this.#dragged ?? position ?? now);
    const behind = position === null ? 0 : (position - now) / 1000;
    setAttribute(this.track, 'aria-valuenow', Math.round(behind));
    setAttribute(this.track, 'aria-valuetext', position === null ? 'live' : `${clock(position)}, ${exactly(-behind)} ago`);
  }

  #place(ms) {
    const share = Math.min(1, Math.max(0, 1 - (this.#to - ms) / SPAN_MS));
    this.handle.style.left = `${(share * 100).toFixed(2)}%`;
  }

  #tick(from, to) {
    const marks = [];
    for (let at = Math.ceil((from + TICK_MS / 3) / TICK_MS) * TICK_MS; at < to - TICK_MS * 0.8; at += TICK_MS) marks.push(at);
    while (this.ticks.children.length > marks.length + 1) this.ticks.lastChild.remove();
    while (this.ticks.children.length < marks.length + 1) this.ticks.append(h('span', {}));
    marks.forEach((at, i) => {
      const mark = this.ticks.children[i];
      mark.style.left = `${(((at - from) / SPAN_MS) * 100).toFixed(2)}%`;
      setText(mark, minute(at));
    });
    const last = this.ticks.lastChild;
    last.style.left = '100%';
    setText(last, 'now');
  }

  #down(event) {
    if (event.button) return;
    this.track.setPointerCapture(event.pointerId);
    this.#dragged = this.strip.at(event.clientX);
    this.#hint(event);
    this.#place(this.#dragged);
  }

  #move(event) {
    if (this.#dragged !== null) {
      this.#dragged = this.strip.at(event.clientX);
      this.#place(this.#dragged);
    }
    this.#hint(event);
  }

  #up(event) {
    if (this.#dragged === null) return;
    const at = this.strip.at(event.clientX);
    this.#drop();
    this.wanted(this.#to - at < LIVE_MS ? null : at);
  }

  #drop() {
    this.#dragged = null;
    this.tip.hide();
  }

  #hint(event) {
    const ms = this.strip.at(event.clientX);
    const tile = this.strip.tileAt(ms);
    const isLive = this.#to - ms < LIVE_MS;
    const label = isLive ? ['live', ''] : [clock(ms), words(ms, tile, this.#to)[1]];
    const hasFootage = tile && !['gap', 'before', 'lost', 'dropped', 'unknown'].includes(tile.kind);
    this.tip.show(event.clientX, this.track.getBoundingClientRect().top, label, !isLive && hasFootage ? this.thumb(ms) : null);
  }
}

// Tiles end where they were fetched; a running recording goes on until now.
function withNow(tiles, now) {
  const last = tiles.at(-1);
  const goesOn = last && now - last.to < 90_000 && last.kind !== 'before';
  return goesOn ? [...tiles.slice(0, -1), { ...last, to: Math.max(last.to, now) }] : tiles;
}
