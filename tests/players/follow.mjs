// Follows a live playlist as a low-latency player does, over whatever happens, and holds every text of it against
// hls-parser in strict mode and against what may not change (RFC 8216bis, 6.2). Says what it saw as JSON at its end.
//
//   node follow.mjs URL SECONDS
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_MODULES}/x`);
const HLS = require('hls-parser');
HLS.setOptions({ strictMode: true });

const [url, seconds] = process.argv.slice(2);
const until = performance.now() + Number(seconds) * 1000;
const seen = {
  playlists: 0, parts: 0, refused: 0, held: 0, discontinuities: 0, longest_silence_seconds: 0, complaints: [],
};
let before = null;
let partAt = performance.now();

const complain = (what, text) => { if (seen.complaints.length < 5) seen.complaints.push(`${what}\n${text}`); };
const tag = (text, name) => text.match(new RegExp(`^#${name}:(.*)$`, 'm'))?.[1];
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

// What hls-parser does not look at.
function compare(text, playlist) {
  const control = tag(text, 'EXT-X-SERVER-CONTROL') ?? '';
  const holdBack = Number(control.match(/PART-HOLD-BACK=([\d.]+)/)?.[1]);
  if (!/CAN-BLOCK-RELOAD=YES/.test(control)) complain('no blocking reload', text);
  if (playlist.partTargetDuration && !(holdBack >= 3 * playlist.partTargetDuration)) complain('PART-HOLD-BACK too short', text);
  const hints = text.match(/^#EXT-X-PRELOAD-HINT:TYPE=PART,URI="(.*)"$/gm) ?? [];
  if (hints.length !== 1) complain(`${hints.length} preload hints`, text);
  if (playlist.endlist) complain('a live playlist that ended', text);
  const now = {
    target: playlist.targetDuration,
    sequence: playlist.mediaSequenceBase,
    discontinuity: playlist.discontinuitySequenceBase ?? 0,
    uris: playlist.segments.filter((one) => one.uri).map((one) => one.uri),
    times: playlist.segments.filter((one) => one.programDateTime).map((one) => one.programDateTime.getTime()),
    parts: (text.match(/^#EXT-X-PART:.*$/gm) ?? []).at(-1),
  };
  if (now.times.some((time, i) => i > 0 && time < now.times[i - 1])) complain('PROGRAM-DATE-TIME goes back', text);
  if (before) {
    if (now.target !== before.target) complain('the target duration changed', text);
    if (now.sequence < before.sequence) complain('the media sequence fell', text);
    if (now.discontinuity < before.discontinuity) complain('the discontinuity sequence fell', text);
    const first = before.uris.indexOf(now.uris[0]);
    const rest = first < 0 ? [] : before.uris.slice(first);
    if (rest.some((uri, i) => uri !== now.uris[i])) complain('a segment changed or vanished from the middle', text);
    // a life of the program begins with an empty list; within one, numbers count what left
    if (first >= 0 && now.sequence - before.sequence !== first) complain(`the media sequence does not count the ${first} that left`, text);
  }
  if (now.parts !== before?.parts) {
    seen.parts += 1;
    seen.longest_silence_seconds = Math.max(seen.longest_silence_seconds, (performance.now() - partAt) / 1000);
    partAt = performance.now();
  }
  seen.discontinuities = Math.max(seen.discontinuities, now.discontinuity - (seen.first ??= now.discontinuity)
    + playlist.segments.filter((one) => one.discontinuity).length);
  before = now;
}

// The announced part, as a player asks for it.
function next(text) {
  const hint = text.match(/^#EXT-X-PRELOAD-HINT:TYPE=PART,URI=".*\/(\d+)\.(\d+)\.m4s"$/m);
  return hint ? `${url}?_HLS_msn=${hint[1]}&_HLS_part=${hint[2]}` : url;
}

let address = url;
while (performance.now() < until) {
  try {
    const asked = performance.now();
    const answer = await fetch(address, { signal: AbortSignal.timeout(10_000) });
    const text = await answer.text();
    if (!answer.ok) {
      seen.refused += 1;
      // after a restart the numbers begin anew, further up
      address = url;
      if (![400, 503].includes(answer.status)) complain(`HTTP ${answer.status}`, text);
      await pause(200);
      continue;
    }
    if (performance.now() - asked > 5000) seen.held += 1;
    seen.playlists += 1;
    let playlist;
    try {
      playlist = HLS.parse(text);
    } catch (error) {
      complain(`hls-parser: ${error.message}`, text);
      break;
    }
    compare(text, playlist);
    address = next(text);
  } catch {
    // the program is being started again
    seen.refused += 1;
    address = url;
    await pause(200);
  }
}
delete seen.first;
console.log(JSON.stringify(seen));
