// How everything is, as the recorder pushes it. Reconnects by itself, rests while nobody looks.

import { goLogin } from './session.js';

const RETRY_MS = 3000;

// Dispatches `status` with each new document, and `lost` and `found` with the connection.
export class Feed extends EventTarget {
  status = null;
  receivedAt = 0;
  // the recorder's clock minus ours
  skewMs = 0;
  connected = null;
  #events = null;
  #retry = 0;

  start() {
    this.stop();
    const events = new EventSource('/api/v1/events');
    this.#events = events;
    events.addEventListener('status', (event) => this.#take(JSON.parse(event.data)));
    events.addEventListener('error', () => {
      this.#lose();
      // a refused answer closes it for good; the status may be had all the same
      if (events.readyState === EventSource.CLOSED) this.#poll();
    });
  }

  stop() {
    this.#events?.close();
    this.#events = null;
    clearTimeout(this.#retry);
  }

  // Milliseconds since 1970 by the recorder's clock: footage is named by it.
  now() {
    return Date.now() + this.skewMs;
  }

  // An age of the last document, as old as it is by now.
  aged(seconds) {
    return seconds + (Date.now() - this.receivedAt) / 1000;
  }

  async #poll() {
    this.#retry = setTimeout(() => this.start(), RETRY_MS);
    try {
      const answer = await fetch('/api/v1/status', { cache: 'no-store' });
      if (answer.ok) this.#take(await answer.json());
      else if (answer.status === 401) await goLogin();
    } catch {
      // said already
    }
  }

  #take(status) {
    this.status = status;
    this.receivedAt = Date.now();
    if (status.now) this.skewMs = Date.parse(status.now) - this.receivedAt;
    if (this.connected !== true) {
      const again = this.connected === false;
      this.connected = true;
      if (again) this.dispatchEvent(new Event('found'));
    }
    this.dispatchEvent(new Event('status'));
  }

  #lose() {
    if (this.connected === false) return;
    this.connected = false;
    this.dispatchEvent(new Event('lost'));
  }
}
