// One camera: live or any moment of the last half hour, its day, its details and its addresses.

import { $, copy, h, setAttribute, setText } from './dom.js';
import { Details } from './details.js';
import { icon } from './icons.js';
import { LivePlayer } from './live.js';
import { ReplayPlayer } from './replay.js';
import { Scrubber } from './scrubber.js';
import { Screen } from './screen.js';
import { clock, exactly, state } from './words.js';

const STEP_MS = 10_000;
// So close to now there is nothing recorded yet.
const LIVE_MS = 3000;
const TIMELINE_EVERY_MS = 15_000;
// How long "skipped a gap" stays readable.
const NOTE_MS = 4000;

export class Focus {
  #camera = null;
  #live = null;
  #replay = null;
  #isShown = false;
  #askedAt = 0;
  #pausedAt = null;
  #noteUntil = 0;
  #lastState = null;

  constructor(feed, timelines, tip) {
    Object.assign(this, { feed, timelines, element: $('focus') });
    this.screen = new Screen();
    this.scrubber = new Scrubber(tip, (at) => this.go(at), (at) => this.#thumb(at));
    this.details = new Details(tip, (at) => this.go(at));
    this.#build();
  }

  get camera() {
    return this.#camera;
  }

  // For tests and curious people: how it is going.
  get mode() {
    return this.#replay ? 'replay' : 'live';
  }

  open(camera) {
    if (camera === this.#camera) return;
    this.close();
    this.#camera = camera;
    this.#lastState = null;
    this.element.hidden = false;
    setText(this.title, camera);
    this.screen.reset(`/cameras/${camera}/snapshot.jpg`);
    this.details.open(camera);
    this.#askedAt = 0;
    this.go(null);
    this.update();
  }

  close() {
    if (!this.#camera) return;
    if (document.fullscreenElement) document.exitFullscreen();
    this.#stop();
    this.#camera = null;
    this.element.hidden = true;
  }

  // The tab went out of sight, or came back.
  setVisible(isVisible) {
    if (!this.#camera) return;
    if (!isVisible) {
      this.#resumeAt = this.#replay?.position ?? null;
      this.#stop();
    } else if (!this.#live && !this.#replay && this.#pausedAt === null) {
      this.go(this.#resumeAt);
    }
  }

  #resumeAt = null;

  // To a moment in milliseconds; null is live.
  go(at) {
    const to = this.#reachable(at);
    if (to === undefined) return;
    this.#pausedAt = null;
    this.#resumeAt = null;
    if (to === null) {
      if (!this.#live) this.#startLive();
    } else if (this.#replay) {
      this.#replay.seek(to);
      if (this.screen.video.paused) this.screen.video.play().catch(() => {});
    } else {
      this.#startReplay(to);
    }
    this.update();
  }

  // Where to go instead: live, the oldest footage, or nowhere.
  #reachable(at) {
    if (at === null || at >= this.feed.now() - LIVE_MS) return null;
    const day = this.timelines.get(this.#camera);
    if (!day?.playableFrom || at >= day.playableFrom) return at;
    const tile = day.tiles.find((one) => one.from <= at && at < one.to);
    if (tile?.kind !== 'uploaded') return day.playableFrom;
    this.#tellNote('That time is in S3, and no longer on this machine');
    return undefined;
  }

  step(ms) {
    this.go(this.#position() + ms);
  }

  togglePause() {
    const { video } = this.screen;
    if (this.#live) {
      // a paused live picture is a moment of the past by the time it goes on
      this.#pausedAt = this.feed.now();
      this.#live.stop();
      this.#live = null;
      this.screen.freeze();
      this.screen.hint('Paused');
    } else if (!this.#replay) {
      this.go(this.#pausedAt ?? null);
    } else if (video.paused) video.play().catch(() => {});
    else video.pause();
    this.update();
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.stage.requestFullscreen) this.stage.requestFullscreen().catch(() => {});
    else this.screen.video.webkitEnterFullscreen?.();
  }

  // With each document, and once a second.
  update() {
    const camera = this.feed.status?.cameras?.find((one) => one.name === this.#camera);
    if (!this.#camera) return;
    const now = this.feed.now();
    const day = this.timelines.get(this.#camera);
    if (camera) this.#tellState(camera);
    if (Date.now() - this.#askedAt > TIMELINE_EVERY_MS) {
      this.#askedAt = Date.now();
      this.timelines.ask(this.#camera, () => this.update(), TIMELINE_EVERY_MS - 1000);
    }
    const isLive = this.#live !== null;
    this.scrubber.update(now, isLive ? null : this.#position(), day?.tiles);
    this.details.update(this.feed, camera, day, isLive ? null : this.#position());
    setText(this.where, this.#words(now));
    setAttribute(this.liveButton, 'aria-pressed', isLive);
    const isPaused = !isLive && (!this.#replay || this.screen.video.paused);
    this.pauseButton.dataset.shows = isPaused ? 'play' : 'pause';
    setAttribute(this.pauseButton, 'aria-label', isPaused ? 'Play' : 'Pause');
    if (Date.now() > this.#noteUntil) setText(this.note, '');
  }

  #position() {
    if (this.#replay) return this.#replay.position;
    return this.#pausedAt ?? this.feed.now();
  }

  #words(now) {
    if (this.#live) return clock(now);
    const at = this.#position();
    return `${clock(at)} · ${exactly((now - at) / 1000)} ago`;
  }

  #tellState(camera) {
    const { level, word } = state(camera);
    this.element.dataset.level = level;
    setText(this.chip, word);
    // an outage that begins or ends changes the strip
    if (this.#lastState !== null && this.#lastState !== camera.state) this.#askedAt = 0;
    this.#lastState = camera.state;
  }

  #startLive() {
    this.#stop();
    const player = new LivePlayer(this.screen.video, this.#camera, (told) => {
      this.element.dataset.phase = told.phase;
      this.screen.tell(told, this.#camera, true);
    });
    player.onRenew = () => this.screen.freeze();
    this.#live = player;
    this.element.dataset.mode = 'live';
    player.start();
  }

  #startReplay(at) {
    this.#stop();
    const player = new ReplayPlayer(this.screen.video, this.#camera, () => this.feed.now(), (told) => {
      this.element.dataset.phase = told.phase;
      if (told.skippedTo) this.#tellNote(`No footage then: went on at ${clock(told.skippedTo)}`);
      if (told.phase === 'ended') {
        if (told.words) this.#tellNote(told.words);
        this.go(null);
      } else this.screen.tell(told, this.#camera, false);
    });
    player.onRenew = () => this.screen.freeze();
    this.#replay = player;
    this.element.dataset.mode = 'replay';
    player.start(at);
  }

  #tellNote(words) {
    this.#noteUntil = Date.now() + NOTE_MS;
    setText(this.note, words);
  }

  #stop() {
    this.screen.freeze();
    this.#live?.stop();
    this.#replay?.stop();
    this.#live = null;
    this.#replay = null;
  }

  #thumb(at) {
    // steps of a segment's length, so that moving the pointer asks for few pictures
    const step = Math.floor(at / STEP_MS) * STEP_MS;
    return `/cameras/${this.#camera}/thumbs?at=${new Date(step).toISOString()}`;
  }

  #build() {
    const button = (name, label, keys, act) => h('button', {
      type: 'button', class: 'control', 'aria-label': label, title: `${label} (${keys})`, onclick: act,
    }, icon(name));
    this.title = h('h2', { id: 'focus-title' });
    this.chip = h('span', { class: 'word' });
    this.where = h('p', { class: 'where' });
    this.note = h('p', { class: 'skipped', role: 'status' });
    this.liveButton = h('button', { type: 'button', class: 'control live', title: 'Live (Home)', onclick: () => this.go(null) },
      h('span', { class: 'dot' }), 'Live');
    this.pauseButton = button('pause', 'Pause', 'Space', () => this.togglePause());
    this.pauseButton.append(icon('play'));
    this.stage = h('div', { class: 'stage' }, this.screen.element,
      h('div', { class: 'controls' },
        this.scrubber.element,
        h('div', { class: 'buttons' },
          button('earlier', '10 seconds back', '←', () => this.step(-STEP_MS)),
          this.pauseButton,
          button('later', '10 seconds on', '→', () => this.step(STEP_MS)),
          this.liveButton, this.where, this.note,
          button('full', 'Full screen', 'F', () => this.toggleFullScreen()))));
    this.element.setAttribute('aria-labelledby', 'focus-title');
    this.element.append(
      h('div', { class: 'head' },
        h('a', { href: '#/', class: 'control', 'aria-label': 'Back to all cameras', title: 'Back (Esc)' }, icon('back')),
        this.title, h('span', { class: 'chip' }, h('span', { class: 'dot' }), this.chip)),
      this.stage, this.details.element);
    this.details.onCopy = copy;
    this.screen.video.addEventListener('pause', () => this.update());
    this.screen.video.addEventListener('play', () => this.update());
  }
}
