// The live data of the kiosk: a snapshot first, then `state` on change and `faces` as they come.

/** How long the stream may be silent before what it told counts as old, in milliseconds. */
const SILENCE_MS = 20_000;
/** Wait before the next attempt after the server refused or went away, in milliseconds. */
const AGAIN_MS = 2_000;

/**
 * Follows the stream for as long as the page lives.
 *
 * `on.snapshot`, `on.state`, `on.faces` and `on.trigger` get the message; `on.lost` is called once each time that the stream breaks.
 */
export function follow(on) {
  let lost = true;
  let silence;
  let source;

  const heard = () => {
    lost = false;
    clearTimeout(silence);
    silence = setTimeout(again, SILENCE_MS);
  };
  const again = () => {
    clearTimeout(silence);
    source?.close();
    if (!lost) {
      lost = true;
      on.lost?.();
    }
    setTimeout(open, AGAIN_MS);
  };
  const open = () => {
    source = new EventSource("/api/events");
    for (const name of ["snapshot", "state", "faces", "trigger"]) {
      source.addEventListener(name, (event) => {
        heard();
        on[name]?.(JSON.parse(event.data));
      });
    }
    // Sent while nothing else is.
    source.addEventListener("beat", heard);
    source.onerror = again;
  };
  open();
}
