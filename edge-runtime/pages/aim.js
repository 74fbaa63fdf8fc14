// Aims the camera: its picture, what is found in it, how much light there is, and how much time is left.

import { fact } from "./build.js";
import { Face } from "./face.js";
import { follow } from "./live.js";
import { FINE, light, meter, size } from "./meters.js";
import { at, fill, load, preferred } from "./words.js";

/** Wait after a picture that could not be had, in milliseconds. */
const AGAIN_MS = 500;
/** Finds that wait for their picture. */
const KEPT = 12;

const element = (id) => document.getElementById(id);
const words = await load(preferred());
const say = (key, values) => at(words, `aim.${key}`, values);

document.documentElement.lang = words.language;
document.title = say("title");
element("frame").setAttribute("aria-label", say("title"));
fill(document, words);

const picture = element("picture");
const canvas = element("frame");
const drawing = element("drawing");
const finds = [];
let camera = null;
let end = null;
let faces = [];

function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function tick() {
  const seconds = end === null ? 0 : (end - performance.now()) / 1000;
  const over = end !== null && seconds <= 0;
  element("left-words").textContent = over ? say("over") : end === null ? "…" : say("left", { time: clock(seconds) });
  element("left").dataset.health = over ? "bad" : seconds < 60 ? "needs" : "well";
  picture.classList.toggle("over", over);
  if (over) advise("over_more", "bad");
}

function advise(key, health) {
  element("advice").dataset.health = health;
  element("advice").textContent = say(key);
}

/** The first thing that stands in the way of a good view. */
function advice(find, face, faceLight, faceSize) {
  if (faceLight?.name === "dark" || face?.reason === "dark") return "advice_dark";
  if (faceLight?.name === "bright") return "advice_bright";
  if (!face) return "advice_none";
  if (faceSize.name !== FINE) return "advice_small";
  if (face.reason === "turned_away") return "advice_turned";
  if (face.reason) return "advice_dark";
  return "advice_fine";
}

function draw(find) {
  drawing.setAttribute("viewBox", `0 0 ${find.width} ${find.height}`);
  while (faces.length > find.faces.length) faces.pop().remove();
  while (faces.length < find.faces.length) faces.push(new Face(drawing));
  for (const [index, face] of find.faces.entries()) {
    faces[index].draw(face.keypoints, face.face);
    faces[index].group.classList.toggle("judged-not", Boolean(face.reason));
  }
  const face = find.faces.find((one) => one.counts) ?? find.faces[0];
  const scene = light(find.light);
  const side = size(face?.face.w, { ...camera, width: find.width });
  element("meters").replaceChildren(
    meter(say("scene"), scene, say),
    meter(say("size"), side, (name) =>
      name === FINE ? `${Math.round(face.face.w)} px` : say("small", { least: camera.smallest_face_px }),
    ),
    fact(say("faces"), find.faces.length === 0 ? say("none") : String(find.faces.length)),
  );
  const key = advice(find, face, scene, side);
  advise(key, key === "advice_fine" ? "well" : "needs");
}

/** Shows one picture after another, each with what was found in it. */
async function watch() {
  for (;;) {
    try {
      const answer = await fetch("/api/picture", { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const frame = Number(answer.headers.get("edge-frame"));
      const bitmap = await createImageBitmap(await answer.blob());
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        canvas.width = bitmap.width;
        canvas.height = bitmap.height;
      }
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      const find = finds.find((find) => find.frame === frame) ?? finds.at(-1);
      if (find) draw(find);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

element("mirror").addEventListener("click", () => {
  const on = picture.classList.toggle("mirrored");
  element("mirror").setAttribute("aria-pressed", String(on));
});
picture.classList.add("mirrored");

follow({
  snapshot(snapshot) {
    camera = snapshot.camera;
    end = performance.now() + snapshot.left_s * 1000;
    tick();
  },
  faces(find) {
    finds.push(find);
    if (finds.length > KEPT) finds.shift();
  },
});
setInterval(tick, 500);
advise("advice_none", "needs");
watch();
