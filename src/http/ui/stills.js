// Still pictures of the cameras that can be seen, each a few seconds old, fetched a few at a time.

const EVERY_MS = 2000;
// Where there is none, one will not come within a moment.
const PAUSE_MS = 10_000;
const AT_ONCE = 3;

export class Stills {
  #tiles = new Map();
  #running = 0;
  #timer = 0;
  #seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const tile = this.#tiles.get(target);
      if (tile) tile.isVisible = isIntersecting;
    }
    this.#turn();
  }, { rootMargin: '100px' });

  // `told({ takenAt, words })`: when the picture was taken, or why there is none.
  add(img, camera, told) {
    this.#tiles.set(img, { img, camera, told, isVisible: false, askedAt: 0, every: EVERY_MS, isAsking: false, url: null, etag: null });
    this.#seen.observe(img);
  }

  remove(img) {
    const tile = this.#tiles.get(img);
    if (tile?.url) URL.revokeObjectURL(tile.url);
    this.#seen.unobserve(img);
    this.#tiles.delete(img);
  }

  start() {
    this.stop();
    this.#timer = setInterval(() => this.#turn(), 250);
    this.#turn();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  #turn() {
    if (!this.#timer) return;
    const now = performance.now();
    const due = [...this.#tiles.values()]
      .filter((tile) => tile.isVisible && !tile.isAsking && (!tile.askedAt || now - tile.askedAt >= tile.every))
      .sort((a, b) => a.askedAt - b.askedAt);
    for (const tile of due.slice(0, AT_ONCE - this.#running)) this.#fetch(tile);
  }

  async #fetch(tile) {
    tile.isAsking = true;
    tile.askedAt = performance.now();
    this.#running += 1;
    try {
      const answer = await fetch(`/cameras/${tile.camera}/snapshot.jpg`, { cache: 'no-cache' });
      tile.every = answer.ok ? EVERY_MS : PAUSE_MS;
      if (answer.ok) await this.#show(tile, answer);
      else tile.told({ takenAt: null, words: (await answer.json()).error });
    } catch {
      // the connection's loss is said elsewhere; the last picture stays
    } finally {
      tile.isAsking = false;
      this.#running -= 1;
    }
  }

  async #show(tile, answer) {
    const etag = answer.headers.get('etag');
    const takenAt = Date.parse(answer.headers.get('last-modified')) || null;
    if (!etag || etag !== tile.etag) {
      const url = URL.createObjectURL(await answer.blob());
      tile.img.src = url;
      if (tile.url) URL.revokeObjectURL(tile.url);
      tile.url = url;
      tile.etag = etag;
      await tile.img.decode().catch(() => {});
    }
    tile.told({ takenAt, words: null });
  }
}
