// The recorder as a whole, in plain words: the verdict, what is wrong, uploads, disk.

import { $, h, setText } from './dom.js';
import { VERDICTS, ago, count, moment, sentence, size } from './words.js';

export class Facts {
  #cells = new Map();

  constructor() {
    this.element = $('facts');
    this.news = $('news');
    this.verdict = $('verdict');
  }

  // Once a second, because ages grow without news.
  show(feed) {
    const { status } = feed;
    this.#tellVerdict(feed, status);
    if (!status) return;
    this.#cell('Upload', upload(feed, status.upload, status.reasons ?? []));
    this.#cell('Disk', disk(status.storage));
    this.#cell('Recorder', recorder(feed, status));
  }

  #tellVerdict(feed, status) {
    const isLost = feed.connected === false;
    let [level, words] = ['idle', 'Connecting…'];
    if (isLost) [level, words] = ['bad', 'Connection lost'];
    else if (status) [level, words] = VERDICTS[status.status] ?? VERDICTS.degraded;
    this.verdict.dataset.level = level;
    setText(this.verdict.querySelector('.words'), words);
    const reasons = isLost
      ? ['The recorder does not answer. What is shown may be old; this page goes on by itself as soon as it answers.']
      : status?.reasons ?? [];
    // said by screen readers each time it changes, so it changes only with the words
    const key = reasons.join('\n');
    if (this.news.dataset.key === key) return;
    this.news.dataset.key = key;
    this.news.dataset.level = level;
    this.news.replaceChildren(...reasons.map((reason) => h('p', {}, sentence(reason))));
  }

  #cell(name, { level, words, more }) {
    let cell = this.#cells.get(name);
    if (!cell) {
      cell = {
        words: h('p', { class: 'words' }), more: h('p', { class: 'more' }),
      };
      cell.element = h('section', { class: 'fact', 'aria-label': name }, h('h2', {}, name), cell.words, cell.more);
      this.#cells.set(name, cell);
      this.element.append(cell.element);
    }
    cell.element.dataset.level = level;
    setText(cell.words, words);
    setText(cell.more, more);
  }
}

function upload(feed, upload, told) {
  if (!upload?.state) {
    return { level: 'idle', words: 'In another process', more: waiting(feed, upload) };
  }
  const troubles = {
    waiting: ['warn', 'S3 cannot be reached; footage waits here'],
    misconfigured: ['bad', 'S3 refuses uploads; footage waits here'],
    stopped: ['bad', 'Stopped'],
  };
  const [level, trouble] = troubles[upload.state] ?? ['good', null];
  const words = trouble ?? (upload.pending ? `Uploading, ${count(upload.pending, 'segment')} to go` : 'Everything is in S3');
  // what is wrong stands above already, unless it has healed
  const isTold = !upload.last_error || told.some((reason) => reason.includes(upload.last_error));
  const last = isTold ? null : `Last error${upload.last_error_at ? `, ${moment(Date.parse(upload.last_error_at), feed.now())}` : ''}: ${sentence(upload.last_error)}`;
  const parts = [waiting(feed, upload), last].filter(Boolean);
  return { level: upload.failed ? 'bad' : level, words, more: parts.join(' · ') };
}

function waiting(feed, upload) {
  if (!upload) return '';
  const parts = [];
  if (upload.pending) {
    parts.push(`${count(upload.pending, 'segment')} ${upload.pending === 1 ? 'waits' : 'wait'}`);
    if (upload.pending_bytes) parts.push(size(upload.pending_bytes));
    if (upload.oldest_pending_age_seconds !== null && upload.oldest_pending_age_seconds !== undefined) {
      parts.push(`the oldest for ${ago(feed.aged(upload.oldest_pending_age_seconds))}`);
    }
    if (upload.eta_seconds) parts.push(`done in about ${ago(upload.eta_seconds)}`);
  } else if (upload.last_success_at) {
    parts.push(`last upload ${ago((feed.now() - Date.parse(upload.last_success_at)) / 1000)} ago`);
  }
  if (upload.failed) parts.push(`${count(upload.failed, 'segment')} refused by S3`);
  return parts.join(' · ');
}

function disk(storage) {
  if (!storage) return { level: 'idle', words: 'Unknown', more: '' };
  const levels = { ok: 'good', low: 'warn', dropping: 'bad', full: 'bad' };
  const level = levels[storage.space] ?? (storage.reason ? 'bad' : 'good');
  const free = storage.free_bytes ?? null;
  const kept = `${count(storage.segments, 'segment')} kept here, ${size(storage.bytes)}`;
  const dropped = storage.dropped ? ` · ${count(storage.dropped, 'segment')} given up for lack of room` : '';
  return {
    level,
    words: free === null ? 'Free space unknown' : `${size(free)} free`,
    more: (storage.reason ? `${sentence(storage.reason)} ` : '') + kept + dropped,
  };
}

function recorder(feed, status) {
  const cameras = status.cameras ?? [];
  const recording = cameras.filter((camera) => camera.state === 'recording').length;
  const level = recording === cameras.length && cameras.length ? 'good' : recording ? 'warn' : 'bad';
  return {
    level,
    words: `${recording} of ${count(cameras.length, 'camera')} recording`,
    more: `Running for ${ago(feed.aged(status.uptime_seconds))} · version ${status.version}`,
  };
}
