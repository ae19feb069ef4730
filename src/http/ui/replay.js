// One camera's recorded footage from a moment on, into a <video>: `play.mp4` read as fast as it is watched.
//
// Runs over gaps by asking for the next footage; tells when it has caught up with now.

import { Pipe, canDecode } from './pipe.js';

// Seconds that are fetched ahead: enough for a stumbling network, little enough to jump elsewhere without waste.
const AHEAD = 25;
const RETRY_MS = 2000;
// Where footage of the segment that is being written would begin: nothing to wait for.
const CAUGHT_UP_MS = 1500;
// The newest segment is still being written: somebody who goes back a little gets what lies before it.
const OPEN_MS = 60_000;
const STEP_MS = 5000;

// `say({ phase, words, codec, skippedTo })`; phases: connecting, playing, waiting, unsupported, ended.
export class ReplayPlayer {
  #pipe = null;
  #abort = null;
  #timer = 0;
  #stopped = true;
  // where the media's first frame lies in the recorder's time, in milliseconds
  #startsAt = 0;
  #nextAt = null;
  #wantedAt = 0;
  // the last footage was played to its end, not jumped to
  #hasCaughtUp = false;
  #attempt = 0;

  constructor(video, camera, now, say) {
    this.video = video;
    this.camera = camera;
    this.now = now;
    this.say = (words) => {
      if (!this.#stopped) say(words);
    };
    this.onPlaying = () => this.say({ phase: 'playing' });
    this.onEnded = () => this.#goOn();
    this.onTime = () => this.#unstick();
  }

  start(at) {
    this.#stopped = false;
    this.#hasCaughtUp = false;
    this.video.playbackRate = 1;
    this.video.addEventListener('playing', this.onPlaying);
    this.video.addEventListener('ended', this.onEnded);
    this.video.addEventListener('waiting', this.onTime);
    this.#load(at);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.video.removeEventListener('playing', this.onPlaying);
    this.video.removeEventListener('ended', this.onEnded);
    this.video.removeEventListener('waiting', this.onTime);
    this.#pipe?.close();
    this.#pipe = null;
  }

  // The moment that is shown, in milliseconds of the recorder's time.
  get position() {
    const first = this.#pipe?.origin;
    if (first === undefined || first === null) return this.#wantedAt;
    return this.#startsAt + (this.video.currentTime - first) * 1000;
  }

  seek(at) {
    this.#hasCaughtUp = false;
    const pipe = this.#pipe;
    const origin = pipe?.origin;
    if (origin !== undefined && origin !== null) {
      const time = origin + (at - this.#startsAt) / 1000;
      const last = pipe.last;
      if (last && time >= pipe.first && time < last.end - 0.2) {
        this.video.currentTime = time;
        return;
      }
    }
    this.#load(at);
  }

  async #load(at) {
    this.#abort?.abort();
    clearTimeout(this.#timer);
    const abort = new AbortController();
    this.#abort = abort;
    this.#wantedAt = at;
    this.#nextAt = null;
    // until the new footage is there, the wanted moment is where we are
    if (this.#pipe) Object.assign(this.#pipe, { origin: null, onAppended: null });
    this.say({ phase: 'connecting' });
    try {
      const start = new Date(at).toISOString();
      const answer = await fetch(`/cameras/${this.camera}/play.mp4?start=${start}`, { signal: abort.signal });
      if (answer.status === 404) await this.#skip(at, await answer.json());
      else if (answer.ok) await this.#play(answer, at, abort.signal);
      else this.#again(at, (await answer.json()).error);
    } catch (error) {
      if (error.name === 'AbortError') return;
      // the recorder hangs up on who does not read for a minute; somebody who paused asks again when he goes on
      if (this.video.paused && this.#pipe) this.video.addEventListener('play', () => this.#load(this.position), { once: true });
      else this.#again(this.position, 'The recorder does not answer');
    }
  }

  #again(at, words) {
    if (this.#stopped) return;
    this.say({ phase: 'waiting', words: `${words}; trying again` });
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#load(at), RETRY_MS * Math.min(this.#attempt, 4));
  }

  // Nothing was recorded then: on to where there is something again.
  #skip(at, { error, next_start: next }) {
    const nextAt = next ? Date.parse(next) : null;
    const isOpen = nextAt === null && at > this.now() - OPEN_MS;
    if (isOpen && this.#hasCaughtUp) return this.say({ phase: 'ended' });
    if (isOpen) return this.#load(at - STEP_MS);
    if (nextAt !== null && nextAt > at && nextAt < this.now() - CAUGHT_UP_MS) {
      this.say({ phase: 'connecting', skippedTo: nextAt });
      return this.#load(nextAt);
    }
    return this.say({ phase: 'ended', words: error });
  }

  async #play(answer, at, signal) {
    const [, codec] = answer.headers.get('content-type').match(/codecs="([^"]+)"/) ?? [null, ''];
    if (!canDecode(codec)) {
      this.#abort.abort();
      this.say({ phase: 'unsupported', codec });
      return;
    }
    this.#startsAt = Date.parse(answer.headers.get('x-start-time')) || at;
    const next = answer.headers.get('x-next-start');
    this.#nextAt = next ? Date.parse(next) : null;
    this.onRenew?.();
    this.#pipe?.close();
    const pipe = new Pipe(this.video, codec, (words) => this.#again(this.position, `The picture cannot be decoded (${words})`));
    pipe.origin = null;
    this.#pipe = pipe;
    pipe.onAppended = () => this.#arrived(pipe, at);
    const reader = answer.body.getReader();
    for (;;) {
      // paced by what is watched: the recorder waits while we do not read
      while (pipe.ahead > AHEAD || pipe.waiting > 50) await pause(300, signal);
      const { done, value } = await reader.read();
      if (this.#pipe !== pipe) return;
      if (done) break;
      pipe.push(value);
    }
    pipe.end();
  }

  // With the first frames it is known where in the media the wanted moment is.
  #arrived(pipe, at) {
    if (pipe.origin !== null || pipe.first === null) return;
    const wanted = pipe.first + Math.max(0, (at - this.#startsAt) / 1000);
    const last = pipe.last;
    // the segment begins before the wanted moment: its frames until then are on their way
    if (last.end < wanted && last.end - pipe.first < 60) {
      if (wanted - last.end > 0.05) return;
    }
    pipe.origin = pipe.first;
    this.#attempt = 0;
    this.video.currentTime = Math.min(wanted, last.end);
    this.video.play().catch(() => {});
  }

  // The stream is at its end: a gap, or now.
  #goOn() {
    const at = this.#nextAt ?? this.position + 500;
    if (at >= this.now() - CAUGHT_UP_MS) {
      this.say({ phase: 'ended' });
      return;
    }
    this.#hasCaughtUp = true;
    this.#load(at);
  }

  // A hole of some frames between two segments must not hold the picture.
  #unstick() {
    const { video } = this;
    const ranges = video.buffered;
    for (let i = 0; i < ranges.length; i += 1) {
      const hole = ranges.start(i) - video.currentTime;
      if (hole > 0 && hole < 1) video.currentTime = ranges.start(i) + 0.01;
    }
  }
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(timer);
      reject(new DOMException('given up', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    }, ms);
    signal.addEventListener('abort', giveUp, { once: true });
  });
}
