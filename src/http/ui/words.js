// Numbers, times and states in words. Pure: knows no page and no network.

export function ago(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// As exact as somebody needs who asks for one moment: 2 min 10 s.
export function exactly(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return ago(s);
}

// In steps of 1000, as disks are sold.
export function size(bytes) {
  for (const [unit, name] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]) {
    if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
  }
  return `${bytes} B`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

const withSeconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const withMinutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const withDay = new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' });

// All of these take milliseconds since 1970 and answer in the viewer's own time zone.
export const clock = (ms) => withSeconds.format(ms);
export const minute = (ms) => withMinutes.format(ms);

// With the day, where it is not today.
export function moment(ms, now) {
  return new Date(ms).toDateString() === new Date(now).toDateString() ? clock(ms) : withDay.format(ms);
}

// What a camera's state is for people: a level for the colour, a word, and a sentence.
const STATES = {
  recording: ['good', 'Recording', 'recording'],
  starting: ['busy', 'Starting', 'starting'],
  waiting: ['bad', 'Away', 'waiting for the camera'],
  draining: ['busy', 'Closing', 'closing its last segment'],
  stopped: ['bad', 'Stopped', 'stopped'],
  unknown: ['idle', 'Never ran', 'has never run here'],
};

export function state(camera) {
  const [level, word, sentence] = STATES[camera.state] ?? ['idle', camera.state, camera.state];
  return { level, word, sentence };
}

export const VERDICTS = {
  ok: ['good', 'All is well'],
  degraded: ['warn', 'Needs attention'],
  down: ['bad', 'Not recording'],
};

// Why there is no footage; the keys are the causes that the recorder writes.
const CAUSES = {
  unreachable: 'camera not reachable',
  denied: 'camera refused the login',
  stalled: 'camera sent no usable picture',
  codec: 'decoder or encoder failed',
  pipeline: 'pipeline failed',
  disk: 'disk could not be written',
  database: 'database could not be written',
  program_down: 'recorder was not running',
  clock: 'clock was set',
  quiet: 'camera sent no frames',
  unknown: 'cause unknown',
};

const KINDS = {
  uploaded: 'in S3',
  waiting: 'recorded, waits for upload',
  open: 'being recorded now',
  failed: 'recorded, refused by S3',
  dropped: 'recorded, given up for lack of room',
  lost: 'recorded, then lost from disk',
  before: 'before the first recording',
  unknown: 'unknown',
};

// One stretch of time: what became of it.
export function tile(tile) {
  if (tile.kind === 'gap') {
    const cause = CAUSES[tile.cause] ?? CAUSES.unknown;
    return tile.reason && tile.cause !== 'program_down' ? `no footage: ${cause} (${tile.reason})` : `no footage: ${cause}`;
  }
  return KINDS[tile.kind] ?? tile.kind;
}

// `avc1.64001f` → `H.264`
export function codec(name) {
  if (/^(avc|h264)/i.test(name)) return 'H.264';
  if (/^(hvc|hev|h265)/i.test(name)) return 'H.265';
  return name;
}

// Reasons are written for lists: here each stands alone. A name that begins one, as of a server, stays as it is.
export function sentence(words) {
  const text = words.trim();
  const begins = /^[a-z]+(?=[\s,:;.]|$)(?!\.\S)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return begins + (/[.!?]$/.test(text) ? '' : '.');
}
