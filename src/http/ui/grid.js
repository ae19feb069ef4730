// All cameras at a glance: a still or a moving picture, the state in words, the last 24 hours.

import { $, h, setAttribute, setText } from './dom.js';
import { LivePlayer } from './live.js';
import { Strip } from './strip.js';
import { ago, codec, state } from './words.js';

const STRIP_EVERY_MS = 60_000;
// Share of frames not shown in time from which on a machine is too slow for so many videos.
const TOO_MANY_DROPPED = 0.25;

export class Grid {
  #cards = new Map();
  #isLive = false;
  #isShown = false;
  #seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cards.get(target.dataset.camera);
      if (card) card.isVisible = isIntersecting;
    }
    this.#play();
  });

  constructor(feed, stills, timelines, tip) {
    Object.assign(this, { feed, stills, timelines, tip, element: $('grid'), empty: $('empty') });
  }

  get names() {
    return [...this.#cards.keys()];
  }

  show(isShown) {
    this.#isShown = isShown;
    this.#play();
  }

  // Moving pictures instead of stills.
  setLive(isLive) {
    this.#isLive = isLive;
    this.#play();
  }

  // After each document, and once a second for the ages.
  update() {
    const cameras = this.feed.status?.cameras;
    if (!cameras) return;
    const names = new Set(cameras.map((camera) => camera.name));
    for (const [name, card] of this.#cards) if (!names.has(name)) this.#remove(name, card);
    for (const camera of cameras) this.#fill(this.#cards.get(camera.name) ?? this.#add(camera.name), camera);
    this.element.dataset.cameras = cameras.length;
    this.empty.hidden = cameras.length > 0;
    if (!cameras.length) {
      setText(this.empty, 'There is no camera yet. Add a [[camera]] to config.toml and start the program again.');
    }
    this.#watchSpeed();
  }

  #add(name) {
    const card = { name, isVisible: false, player: null, takenAt: null, stripAt: 0 };
    card.still = h('img', { alt: '', decoding: 'async', class: 'still' });
    card.video = h('video', { muted: true, playsinline: true, autoplay: true, tabindex: '-1', 'aria-hidden': 'true', hidden: true });
    card.video.muted = true;
    card.word = h('span', { class: 'word' });
    card.age = h('span', { class: 'age' });
    card.note = h('span', { class: 'note' });
    card.detail = h('span', { class: 'detail' });
    card.strip = new Strip(this.tip);
    card.link = h('a', { href: `#/${name}`, class: 'card' },
      h('span', { class: 'picture' }, card.still, card.video, card.note,
        h('span', { class: 'chip' }, h('span', { class: 'dot' }), card.word), card.age),
      h('span', { class: 'line' }, h('strong', {}, name), card.detail));
    card.element = h('li', { 'data-camera': name }, card.link,
      h('div', { class: 'day' }, card.strip.element, h('p', { class: 'scale', 'aria-hidden': 'true' }, h('span', {}, '24 h ago'), h('span', {}, 'now'))));
    this.stills.add(card.still, name, (told) => this.#still(card, told));
    this.#cards.set(name, card);
    this.element.append(card.element);
    this.#seen.observe(card.element);
    return card;
  }

  #remove(name, card) {
    card.player?.stop();
    this.stills.remove(card.still);
    this.#seen.unobserve(card.element);
    card.element.remove();
    this.#cards.delete(name);
  }

  #fill(card, camera) {
    const { level, word, sentence } = state(camera);
    card.camera = camera;
    card.element.dataset.level = level;
    setText(card.word, word);
    setText(card.detail, detail(this.feed, camera));
    const isAway = level === 'bad';
    setText(card.note, isAway ? camera.reason ?? '' : card.words ?? '');
    this.#age(card, camera);
    setAttribute(card.link, 'aria-label', `${camera.name}: ${sentence}${isAway && camera.reason ? `, ${camera.reason}` : ''}. Watch.`);
    if (Date.now() - card.stripAt > STRIP_EVERY_MS && this.#isShown && card.isVisible) {
      card.stripAt = Date.now();
      this.timelines.ask(camera.name, ({ tiles, from, to }) => card.strip.draw(tiles, from, to));
    }
  }

  #age(card, camera) {
    let words = '';
    if (card.player) words = card.phase === 'playing' ? 'live' : '';
    else if (card.takenAt) {
      const age = (this.feed.now() - card.takenAt) / 1000;
      words = age < 6 && camera.state === 'recording' ? 'now' : `${ago(age)} ago`;
    }
    setText(card.age, words);
  }

  #still(card, { takenAt, words }) {
    card.takenAt = takenAt ?? card.takenAt;
    card.words = takenAt || card.still.getAttribute('src') ? null : words;
    card.element.classList.toggle('blank', !card.still.getAttribute('src'));
    if (card.camera) this.#fill(card, card.camera);
  }

  #play() {
    for (const card of this.#cards.values()) {
      const wanted = this.#isLive && this.#isShown && card.isVisible;
      if (wanted && !card.player) this.#begin(card);
      if (!wanted && card.player) {
        card.player.stop();
        card.player = null;
        card.video.hidden = true;
      }
    }
    if (this.#isShown && !this.#isLive) this.stills.start();
    else this.stills.stop();
  }

  #begin(card) {
    card.player = new LivePlayer(card.video, card.name, ({ phase }) => {
      card.phase = phase;
      // until the first frame, and while there is none, the still is better than nothing
      if (phase === 'playing') card.video.hidden = false;
    });
    card.player.start();
  }

  #watchSpeed() {
    const shares = [...this.#cards.values()].map((card) => card.player?.dropped()).filter((share) => share !== null && share !== undefined);
    if (shares.length && shares.every((share) => share > TOO_MANY_DROPPED)) this.onTooSlow?.();
  }
}

function detail(feed, camera) {
  const parts = [];
  if (camera.codec) parts.push(codec(camera.codec));
  if (camera.pending) parts.push(`${camera.pending} waiting`);
  const age = camera.last_segment_age_seconds;
  if (age === null || age === undefined) parts.push('no segment yet');
  else if (camera.state !== 'recording') parts.push(`last footage ${ago(feed.aged(age))} ago`);
  return parts.join(' · ');
}
