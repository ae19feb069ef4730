// Beside the picture: the camera's day and its gaps, how it is, and its addresses for other players.

import { h, setText } from './dom.js';
import { Strip, summary } from './strip.js';
import { DAY_MS } from './timeline.js';
import { ago, codec, count, exactly, minute, moment, sentence, size, state, tile as tileWords } from './words.js';

const MOST_GAPS = 20;
const STATES = {
  created: 'To be uploaded', uploading: 'Uploading', retry: 'To be tried again', uploaded: 'In S3 and here', cleaned: 'In S3 alone',
  failed: 'Refused by S3', lost: 'Lost from disk', dropped: 'Given up',
};

export class Details {
  #day = null;

  // `wanted(ms)`: somebody chose a moment of the day.
  constructor(tip, wanted) {
    this.tip = tip;
    this.strip = new Strip(tip);
    this.strip.element.addEventListener('click', (event) => {
      const ms = this.strip.at(event.clientX);
      const tile = this.strip.tileAt(ms);
      // a short gap is not what a finger aims at
      if (tile && tile.kind !== 'before') wanted(tile.kind === 'gap' ? tile.to : ms);
    });
    this.hours = h('p', { class: 'hours', 'aria-hidden': 'true' });
    this.summary = h('p', { class: 'summary' });
    this.gaps = h('ol', { class: 'gaps', tabindex: '0', 'aria-label': 'Gaps, newest first' });
    this.rows = h('dl', { class: 'rows' });
    this.links = h('ul', { class: 'links' });
    this.legend = h('ul', { class: 'legend', 'aria-label': 'What the colours mean' },
      ...[['uploaded', 'in S3'], ['waiting', 'waits for upload'], ['gap', 'no footage'], ['lost', 'lost']]
        .map(([name, label]) => h('li', {}, h('span', { class: `swatch ${name}` }), label)));
    this.element = h('div', { class: 'details' },
      h('section', { class: 'today', 'aria-label': 'Last 24 hours' }, h('h3', {}, 'Last 24 hours'),
        this.strip.element, this.hours, this.legend, this.summary, this.gaps),
      h('section', { 'aria-label': 'Camera' }, h('h3', {}, 'Camera'), this.rows),
      h('section', { 'aria-label': 'Other players' }, h('h3', {}, 'Other players'), this.links));
  }

  open(camera) {
    this.#day = null;
    this.strip.draw([], Date.now() - DAY_MS, Date.now());
    setText(this.summary, '');
    this.gaps.replaceChildren();
    this.#address(camera);
  }

  update(feed, camera, day) {
    if (camera) this.#tell(feed, camera);
    if (!day || day === this.#day) return;
    this.#day = day;
    const { tiles, from, to } = day;
    this.strip.draw(tiles, from, to);
    setText(this.summary, sentence(summary(tiles, from, to)));
    this.hours.replaceChildren(...[0, 6, 12, 18].map((hour) => h('span', {}, minute(from + hour * 3600_000))), h('span', {}, 'now'));
    const gaps = tiles.filter((tile) => ['gap', 'lost', 'dropped', 'failed', 'unknown'].includes(tile.kind)).reverse();
    this.gaps.replaceChildren(...gaps.slice(0, MOST_GAPS).map((tile) => h('li', {},
      h('strong', {}, `${moment(tile.from, to)} · ${exactly((tile.to - tile.from) / 1000)}`), ' ', tileWords(tile))));
    if (gaps.length > MOST_GAPS) this.gaps.append(h('li', {}, `and ${gaps.length - MOST_GAPS} more`));
  }

  #tell(feed, camera) {
    const rows = [['State', sentence(state(camera).sentence + (camera.reason ? `: ${camera.reason}` : ''))]];
    if (camera.since) rows.push(['Since', `${moment(Date.parse(camera.since), feed.now())}`]);
    const age = camera.last_segment_age_seconds;
    rows.push(['Last segment', age === null || age === undefined ? 'none yet' : `${ago(feed.aged(age))} ago`]);
    if (camera.codec) rows.push(['Video', [codec(camera.codec), camera.mode].filter(Boolean).join(', ')]);
    else if (camera.mode) rows.push(['Mode', camera.mode]);
    rows.push(['Reconnects', String(camera.reconnects ?? 0)]);
    for (const { state: name, count: number, bytes } of camera.by_state) {
      rows.push([STATES[name] ?? name, `${count(number, 'segment')}, ${size(bytes)}`]);
    }
    const key = rows.flat().join('\n');
    if (this.rows.dataset.key === key) return;
    this.rows.dataset.key = key;
    this.rows.replaceChildren(...rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
  }

  #address(camera) {
    const places = [
      ['live.mp4', 'Live, for VLC and ffmpeg'], ['live.m3u8', 'Live, for HLS players'], ['recent.m3u8', 'All footage on this machine, seekable'],
    ];
    this.links.replaceChildren(...places.map(([file, label]) => {
      const address = `${location.origin}/cameras/${camera}/${file}`;
      const button = h('button', { type: 'button', 'aria-label': `Copy the address of ${file}` }, 'Copy');
      button.addEventListener('click', async () => {
        setText(button, await this.onCopy(address) ? 'Copied' : 'Not allowed');
        setTimeout(() => setText(button, 'Copy'), 2000);
      });
      return h('li', {}, h('span', {}, label, h('a', { href: address }, address)), button);
    }));
  }
}
