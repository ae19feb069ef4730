// Bytes of fragmented MP4 → one <video>, by MediaSource (ManagedMediaSource on iPhones).

const Source = globalThis.ManagedMediaSource ?? globalThis.MediaSource ?? null;

// How much of the past is kept for the decoder, in seconds.
const KEPT = 20;

export const hasMediaSource = Source !== null;

const type = (codec) => `video/mp4; codecs="${codec}"`;

export const canDecode = (codec) => hasMediaSource && Source.isTypeSupported(type(codec));

// `failed` is called at most once, when the browser refuses what it is given.
export class Pipe {
  #queue = [];
  #buffer = null;
  #source = new Source();
  #url = '';
  #ended = false;
  #codec = '';

  constructor(video, codec, failed) {
    this.video = video;
    this.failed = failed;
    this.#codec = codec;
    // ManagedMediaSource opens only where playing on another device is switched off
    video.disableRemotePlayback = true;
    this.#source.addEventListener('sourceopen', () => this.#open(), { once: true });
    this.#url = URL.createObjectURL(this.#source);
    video.src = this.#url;
    this.onError = () => this.#fail(video.error?.message || 'the browser gave up decoding');
    video.addEventListener('error', this.onError);
  }

  // A new init segment and its codec may follow in the same stream.
  change(codec) {
    if (codec !== this.#codec) this.#queue.push({ codec });
    this.#codec = codec;
  }

  push(bytes) {
    this.#queue.push(new Uint8Array(bytes));
    this.#pump();
  }

  // Nothing follows.
  end() {
    this.#ended = true;
    this.#pump();
  }

  // Start and end in seconds of the last stretch without a hole; null while there is none.
  get last() {
    const ranges = this.#ranges();
    const n = ranges?.length ?? 0;
    return n ? { start: ranges.start(n - 1), end: ranges.end(n - 1) } : null;
  }

  // Start in seconds of the first stretch; null while there is none.
  get first() {
    const ranges = this.#ranges();
    return ranges?.length ? ranges.start(0) : null;
  }

  // Seconds that lie ready after the playing moment.
  get ahead() {
    const last = this.last;
    return last ? Math.max(0, last.end - Math.max(last.start, this.video.currentTime)) : 0;
  }

  get waiting() {
    return this.#queue.length;
  }

  close() {
    this.video.removeEventListener('error', this.onError);
    this.failed = () => {};
    this.#buffer = null;
    this.#queue = [];
    this.video.removeAttribute('src');
    this.video.load();
    URL.revokeObjectURL(this.#url);
  }

  #ranges() {
    // a buffer that was taken out of its source throws
    return this.#buffer && this.#source.readyState !== 'closed' ? this.#buffer.buffered : null;
  }

  #open() {
    try {
      this.#buffer = this.#source.addSourceBuffer(type(this.#codec));
    } catch (error) {
      this.#fail(error.message);
      return;
    }
    this.#buffer.addEventListener('updateend', () => {
      this.onAppended?.();
      this.#pump();
    });
    this.#pump();
  }

  #pump() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#source.readyState !== 'open') return;
    try {
      if (this.#forget(buffer)) return;
      if (this.#queue.length) this.#append(buffer);
      else if (this.#ended) this.#source.endOfStream();
    } catch (error) {
      this.#fail(error.message);
    }
  }

  #append(buffer) {
    if (this.#queue[0].codec) buffer.changeType(type(this.#queue.shift().codec));
    const until = this.#queue.findIndex((item) => item.codec);
    const taken = until < 0 ? this.#queue : this.#queue.slice(0, until);
    if (!taken.length) return;
    const bytes = joined(taken);
    try {
      buffer.appendBuffer(bytes);
      this.#queue = until < 0 ? [] : this.#queue.slice(until);
    } catch (error) {
      if (error.name !== 'QuotaExceededError') throw error;
      // full: room is made as playing goes on
      setTimeout(() => this.#pump(), 1000);
    }
  }

  // Gives up what was played long ago; true when that is under way.
  #forget(buffer) {
    const first = this.first;
    const until = this.video.currentTime - KEPT;
    if (first === null || first > until - KEPT) return false;
    buffer.remove(0, until);
    return true;
  }

  #fail(words) {
    const failed = this.failed;
    this.failed = () => {};
    failed(words);
  }
}

function joined(chunks) {
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
