// Where a camera is seen: the video, the last picture while there is none, and words over it.

import { h, setText } from './dom.js';
import { codec as codecWords } from './words.js';

export class Screen {
  constructor() {
    this.video = h('video', { playsinline: true, autoplay: true, 'aria-label': 'Picture of the camera' });
    this.video.muted = true;
    this.last = h('canvas', { class: 'last', 'aria-hidden': 'true', hidden: true });
    this.still = h('img', { class: 'last', alt: '', hidden: true });
    this.still.addEventListener('load', () => { this.still.hidden = this.isMoving; });
    this.still.addEventListener('error', () => { this.still.hidden = true; });
    this.words = h('p', { class: 'words' });
    this.more = h('div', { class: 'more' });
    this.over = h('div', { class: 'over', role: 'status' }, this.words, this.more);
    this.element = h('div', { class: 'screen' }, this.video, this.still, this.last, this.over);
    this.element.addEventListener('click', () => { if (this.video.paused) this.video.play().catch(() => {}); });
    this.video.addEventListener('playing', () => this.#moves());
    this.video.addEventListener('seeked', () => this.#moves());
  }

  // Another camera: nothing of the one before may be seen.
  reset(still) {
    this.isMoving = false;
    this.last.hidden = true;
    this.still.hidden = true;
    this.still.src = still;
    this.hint('Connecting…');
  }

  // Keeps the picture that is shown until there is a new one.
  freeze() {
    const { video, last } = this;
    if (!video.videoWidth || video.readyState < 2) return;
    last.width = video.videoWidth;
    last.height = video.videoHeight;
    last.getContext('2d').drawImage(video, 0, 0);
    last.hidden = false;
    this.isMoving = false;
  }

  hint(words) {
    setText(this.words, words);
    this.more.replaceChildren();
    this.over.hidden = !words;
  }

  tell({ phase, words, codec }, camera, isLive) {
    if (phase === 'playing') this.hint('');
    else if (phase === 'connecting') this.hint(isLive ? 'Connecting…' : 'Opening the recording…');
    else if (phase === 'waiting') this.hint(words ? `${words.charAt(0).toUpperCase()}${words.slice(1)}` : 'No picture comes from the camera; it is waited for');
    else if (phase === 'unsupported') this.#unsupported(codec, camera);
  }

  #moves() {
    this.isMoving = true;
    this.last.hidden = true;
    this.still.hidden = true;
  }

  #unsupported(codec, camera) {
    this.hint(codec
      ? `This camera sends ${codecWords(codec)}, which this browser cannot play.`
      : 'This browser cannot play live video.');
    const address = `${location.origin}/cameras/${camera}/live.mp4`;
    this.more.replaceChildren(
      h('p', {}, 'It is recorded all the same. To watch, open this address in VLC:'),
      h('p', {}, h('a', { href: address }, address)),
      codec ? h('p', {}, 'For browsers set mode = "transcode" for this camera in config.toml, or set the camera to H.264.') : null);
  }
}
