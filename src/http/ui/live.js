// One camera, live: frames from its WebSocket into a <video>, as little behind as the machine can.
//
// Comes back by itself over outages of the camera, of the network and of the recorder.

import { Pipe, canDecode, hasMediaSource } from './pipe.js';

// Seconds behind the newest frame that are aimed at, and from where on it is caught up with by a jump.
const TARGET = 0.12;
const MOST_TARGET = 0.6;
const JUMP = 0.5;
// Nothing came for so long although the camera records: the connection is dead, whatever it says.
const SILENCE_MS = 8000;
const RETRY_MS = [250, 500, 1000, 2000, 3000];

// `say({ phase, words, codec })`; phases: connecting, playing, waiting, unsupported.
export class LivePlayer {
  #socket = null;
  #pipe = null;
  #attempt = 0;
  #timer = 0;
  #watch = 0;
  #heardAt = 0;
  #hasHeard = false;
  #target = TARGET;
  #codec = null;
  #camera = { state: 'recording', reason: null };
  #phase = null;
  #stopped = true;
  // seconds between the picture and the newest frame that arrived
  behind = null;

  constructor(video, camera, say) {
    this.video = video;
    this.camera = camera;
    this.say = say;
    this.onWaiting = () => this.#stumble();
    // a camera that is away still has pictures in the buffer for a moment
    this.onPlaying = () => { if (this.#camera.state === 'recording') this.#tell('playing'); };
  }

  start() {
    this.#stopped = false;
    this.#attempt = 0;
    this.#tell('connecting');
    if (!hasMediaSource) {
      this.#native();
      return;
    }
    this.video.addEventListener('waiting', this.onWaiting);
    this.video.addEventListener('playing', this.onPlaying);
    this.#watch = setInterval(() => this.#look(), 250);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.video.removeEventListener('waiting', this.onWaiting);
    this.video.removeEventListener('playing', this.onPlaying);
    this.#hangUp();
    this.#pipe?.close();
    this.#pipe = null;
    this.video.playbackRate = 1;
    if (!hasMediaSource) this.video.removeAttribute('src');
    this.#phase = null;
  }

  // Share of frames that were not shown in time, 0 to 1; null where it is not known.
  dropped() {
    const quality = this.video.getVideoPlaybackQuality?.();
    return quality?.totalVideoFrames > 60 ? quality.droppedVideoFrames / quality.totalVideoFrames : null;
  }

  #connect() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/cameras/${this.camera}/live.ws`);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#hasHeard = false;
    this.#heardAt = performance.now();
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      this.#heardAt = performance.now();
      this.#hasHeard = true;
      if (typeof data === 'string') this.#hear(JSON.parse(data));
      else this.#pipe?.push(data);
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#refused(socket);
    };
  }

  // A socket that never opened does not say why; the same question without a socket does.
  async #refused(socket) {
    let words = 'The recorder does not answer';
    if (!this.#hasHeard) {
      try {
        const answer = await fetch(`/cameras/${this.camera}/live.ws`, { cache: 'no-store' });
        if (answer.status >= 500) words = (await answer.json()).error;
      } catch {
        // then it really does not answer
      }
    }
    if (this.#socket === socket) this.#again(words);
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // Tries again after a pause; what was seen last stays on the screen meanwhile.
  #again(words) {
    this.#hangUp();
    if (this.#stopped) return;
    this.#tell('waiting', `${words}; trying again`);
    const pause = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)];
    this.#attempt += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), pause * (0.8 + Math.random() * 0.4));
  }

  #hear(message) {
    if (message.type === 'init') this.#begin(message);
    if (message.type !== 'state') return;
    this.#camera = message;
    if (message.state !== 'recording') this.#tell('waiting', message.reason);
  }

  #begin({ codec, width, height }) {
    this.#codec = codec;
    if (!canDecode(codec)) {
      this.#hangUp();
      this.#tell('unsupported');
      return;
    }
    const isSame = this.#pipe?.socket === this.#socket;
    if (isSame) {
      this.#pipe.change(codec);
      return;
    }
    // another life of the recorder counts its time anew: so does the video
    this.onRenew?.(width, height);
    this.#pipe?.close();
    this.#pipe = new Pipe(this.video, codec, (words) => this.#broke(words));
    this.#pipe.socket = this.#socket;
    this.#pipe.onAppended = () => this.#chase();
  }

  #broke(words) {
    this.#pipe?.close();
    this.#pipe = null;
    this.#again(`The picture cannot be decoded (${words})`);
  }

  // Keeps close to the newest frame: gently by rate, beyond the limit by a jump.
  #chase() {
    const video = this.video;
    const last = this.#pipe?.last;
    if (!last) return;
    this.#attempt = 0;
    const behind = last.end - video.currentTime;
    this.behind = behind;
    if (video.currentTime < last.start || behind > this.#target + JUMP) {
      video.currentTime = Math.max(last.start, last.end - this.#target);
      video.playbackRate = 1;
    } else {
      const error = behind - this.#target;
      video.playbackRate = error > 0.08 ? 1.1 : error < -0.06 ? 0.95 : 1;
    }
    if (video.paused) {
      // telephones that save power play only what a finger asked for
      video.play().catch(({ name }) => { if (name === 'NotAllowedError') this.#tell('waiting', 'Tap the picture to play'); });
    }
  }

  // Ran dry: a little more distance lets slow networks and machines play smoothly.
  #stumble() {
    if (this.#camera.state === 'recording' && this.#phase === 'playing') {
      this.#target = Math.min(MOST_TARGET, this.#target + 0.06);
    }
  }

  #look() {
    this.#target = Math.max(TARGET, this.#target - 0.0005);
    if (!this.#socket) return;
    const silent = performance.now() - this.#heardAt;
    if (this.#camera.state === 'recording' && silent > SILENCE_MS) {
      this.#again('No picture comes');
    } else if (this.#phase === 'playing' && silent > 2000) {
      this.#tell('waiting', this.#camera.reason);
    } else if (this.#phase === 'waiting' && this.#camera.state === 'recording' && silent < 500 && this.#pipe?.last && !this.video.paused
      && this.video.readyState > 2) {
      this.#tell('playing');
    }
  }

  #native() {
    const video = this.video;
    if (!video.canPlayType('application/vnd.apple.mpegurl')) {
      this.#tell('unsupported');
      return;
    }
    video.src = `/cameras/${this.camera}/live.m3u8`;
    video.addEventListener('playing', this.onPlaying);
    video.onerror = () => {
      if (this.#stopped) return;
      this.#tell('waiting', 'The stream ended; trying again');
      this.#timer = setTimeout(() => { video.load(); video.play().catch(() => {}); }, 2000);
    };
    video.play().catch(() => {});
  }

  #tell(phase, words = null) {
    if (this.#stopped) return;
    this.#phase = phase;
    this.say({ phase, words, codec: this.#codec });
  }
}
