// The page: which view is shown, keys, and who rests while nobody looks.

import { $ } from './dom.js';
import { Facts } from './facts.js';
import { Feed } from './feed.js';
import { Focus } from './focus.js';
import { Grid } from './grid.js';
import { keys } from './keys.js';
import { showSession } from './session.js';
import { Stills } from './stills.js';
import { Tip } from './strip.js';
import { Timelines } from './timeline.js';

const feed = new Feed();
const tip = new Tip();
const stills = new Stills();
const timelines = new Timelines(() => feed.now());
const facts = new Facts();
const grid = new Grid(feed, stills, timelines, tip);
const focus = new Focus(feed, timelines, tip);
const tiles = $('tiles');
let lastFocus = null;
let isRouted = false;

function refresh() {
  facts.show(feed);
  grid.update();
  focus.update();
}

// `#/gate` is a camera, everything else the overview: the browser's own back button works, and links can be kept.
function route() {
  const name = decodeURIComponent(location.hash.replace(/^#\/?/, ''));
  const known = feed.status?.cameras;
  if (name && known && !known.some((camera) => camera.name === name)) {
    location.replace('#/');
    return;
  }
  const isFocus = name !== '';
  $('overview').hidden = isFocus;
  tip.hide();
  document.title = isFocus ? `${name} – Cameras` : 'Cameras';
  document.body.dataset.view = isFocus ? 'focus' : 'overview';
  if (isFocus) focus.open(name);
  else focus.close();
  grid.show(!isFocus && !document.hidden);
  refresh();
  moveFocus(isFocus, name);
}

// Who came by keyboard goes on from where the view begins, and comes back to the card left.
function moveFocus(isFocus, name) {
  if (isFocus) {
    lastFocus = name;
    focus.scrubber.track.focus({ preventScroll: true });
    scrollTo(0, 0);
  } else if (lastFocus) {
    document.querySelector(`[data-camera="${CSS.escape(lastFocus)}"] a`)?.focus();
    lastFocus = null;
  }
}

function setLiveTiles(isLive, why = 'Moving pictures in the overview (L)') {
  tiles.setAttribute('aria-pressed', isLive);
  tiles.title = why;
  grid.setLive(isLive);
  try {
    localStorage.setItem('live-tiles', isLive ? '1' : '');
  } catch {
    // private windows may not remember; then it is chosen again
  }
}

function remembered() {
  try {
    return localStorage.getItem('live-tiles') === '1';
  } catch {
    return false;
  }
}

function look() {
  const isVisible = !document.hidden;
  if (isVisible) feed.start();
  else feed.stop();
  focus.setVisible(isVisible);
  grid.show(isVisible && document.body.dataset.view !== 'focus');
}

grid.onTooSlow = () => {
  setLiveTiles(false, 'This machine is too slow for so many moving pictures');
  $('slow').hidden = false;
};
tiles.addEventListener('click', () => {
  $('slow').hidden = true;
  setLiveTiles(tiles.getAttribute('aria-pressed') !== 'true');
});
$('skip').addEventListener('click', (event) => {
  // the address names the view, so the link must not change it
  event.preventDefault();
  $('main').focus();
});
$('help').addEventListener('click', () => $('keys').showModal());
feed.addEventListener('status', () => {
  // only now it is known which cameras there are
  if (!isRouted) route();
  isRouted = true;
  refresh();
});
feed.addEventListener('lost', refresh);
feed.addEventListener('found', refresh);
addEventListener('hashchange', route);
document.addEventListener('visibilitychange', look);
document.addEventListener('keydown', keys({ grid, focus, tiles, help: $('keys') }));
setInterval(() => { if (!document.hidden) refresh(); }, 1000);

if (remembered()) setLiveTiles(true);
showSession();
route();
look();
