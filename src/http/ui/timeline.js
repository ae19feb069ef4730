// What became of the last 24 hours of each camera, fetched now and then, a few at a time.

import { parsed } from './strip.js';

export const DAY_MS = 24 * 3600 * 1000;
const FRESH_MS = 30_000;
// Browsers hold six connections to one address; pictures and events need theirs.
const AT_ONCE = 2;

export class Timelines {
  #known = new Map();
  #waiting = [];
  #running = 0;

  constructor(now) {
    this.now = now;
  }

  // The newest tiles of this camera; null while none were fetched.
  get(camera) {
    return this.#known.get(camera) ?? null;
  }

  // Calls `done` with fresh tiles, at once if there are any.
  ask(camera, done, oldest = FRESH_MS) {
    const known = this.#known.get(camera);
    if (known && this.now() - known.to < oldest) {
      done(known);
      return;
    }
    this.#waiting = this.#waiting.filter((asked) => asked.camera !== camera || asked.done !== done);
    this.#waiting.push({ camera, done });
    this.#next();
  }

  async #next() {
    if (this.#running >= AT_ONCE || !this.#waiting.length) return;
    const { camera, done } = this.#waiting.shift();
    this.#running += 1;
    try {
      const to = this.now();
      const from = to - DAY_MS;
      const span = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
      const answer = await fetch(`/api/v1/cameras/${camera}/timeline?${span}`);
      if (answer.ok) {
        const timeline = await answer.json();
        const day = { tiles: parsed(timeline), from, to, playableFrom: Date.parse(timeline.playable_from) || null };
        this.#known.set(camera, day);
        done(day);
      }
    } catch {
      // asked again with the next turn
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }
}
