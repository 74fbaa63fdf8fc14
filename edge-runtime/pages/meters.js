// Light and size of faces: what is good, and how that is shown.

import { make } from "./build.js";

/** What a good value is called. */
export const FINE = "fine";

/** Mean light of a frame, 0 to 1, between which cameras see faces well. */
const LIGHT = { from: 0.18, to: 0.86 };

/** How bright the frame is; `share` is 0 to 1, or undefined while nothing is known. */
export function light(share) {
  if (share === undefined || share === null) return null;
  const name = share < LIGHT.from ? "dark" : share > LIGHT.to ? "bright" : FINE;
  return { at: share, name, ...LIGHT };
}

/** How large the face is; `side` in pixels of the frame. */
export function size(side, { smallest_face_px: least, width }) {
  if (side === undefined) return null;
  // Full scale is a face that takes half of the frame's width.
  const full = Math.max((width ?? 640) / 2, 2 * least);
  const share = (px) => Math.min(px / full, 1);
  return { at: share(side), from: share(least * 1.15), to: 1, name: side < least * 1.15 ? "small" : FINE };
}

/** A row of the list of meters; `value` as the functions above give it, or null. */
export function meter(title, value, tell) {
  const rail = make("dd", { kind: "meter" });
  const said = make("dd", { text: "–" });
  if (value) {
    const fine = make("span", { kind: "fine" });
    fine.style.left = `${100 * value.from}%`;
    fine.style.right = `${100 * (1 - value.to)}%`;
    const needle = make("span", { kind: "needle" });
    needle.style.left = `${100 * value.at}%`;
    rail.append(fine, needle);
    said.textContent = tell(value.name);
    said.className = value.name === FINE ? "fine-words" : "warn-words";
  }
  return make("div", { children: [make("dt", { text: title }), rail, said] });
}
