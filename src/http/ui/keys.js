// What the keyboard does. Keys that are typed somewhere, or belong to the browser, are left alone.

const STEP_MS = 10_000;
const BIG_STEP_MS = 60_000;

export function keys({ grid, focus, tiles, help }) {
  const everywhere = {
    '?': () => help.showModal(),
  };
  const overview = {
    l: () => tiles.click(),
  };
  const focused = {
    ArrowLeft: (event) => focus.step(event.shiftKey ? -BIG_STEP_MS : -STEP_MS),
    ArrowRight: (event) => focus.step(event.shiftKey ? BIG_STEP_MS : STEP_MS),
    Home: () => focus.go(null),
    End: () => focus.go(null),
    f: () => focus.toggleFullScreen(),
    ' ': (event) => {
      // on a button it means that button
      if (event.target.closest('button, a')) return false;
      focus.togglePause();
      return true;
    },
    Escape: () => {
      if (!document.fullscreenElement) location.hash = '#/';
    },
  };
  return (event) => {
    if (help.open || event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, textarea, select')) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = everywhere[key] ?? (focus.camera ? focused : overview)[key];
    if (act) {
      if (act(event) !== false) event.preventDefault();
      return;
    }
    const name = /^[1-9]$/.test(key) && grid.names[Number(key) - 1];
    if (name) location.hash = `#/${name}`;
  };
}
