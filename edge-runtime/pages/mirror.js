// Faces as in a mirror: drawn where the camera sees them, left and right exchanged, and followed calmly as they move.

import { Face, NOBODY } from "./face.js";

/** Time in which a drawing goes most of the way to where the face is now, in milliseconds. */
const POINT_MS = 110;
/** The same for the part of the frame that is shown. */
const VIEW_MS = 650;
/** How much is shown around the faces, in sides of their box. */
const AROUND = 0.1;
/** Below this distance, in pixels of the frame, a drawing has arrived. */
const ARRIVED = 0.01;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Expressions that the face of nobody goes through: moves of single points, `[place, dx, dy]`. */
const MOODS = [
  [],
  [[11, 4, -4], [12, -4, -4], [13, 0, 1], [14, 0, 3], [6, 0, -1], [8, 0, -1]],
  [],
  [[6, 0, -5], [7, 0, -5], [8, 0, -5], [9, 0, -5], [11, -4, 1], [12, 4, 1], [13, 0, -2], [14, 0, 7]],
];
const MOOD_MS = 3600;

function mood(now) {
  const points = NOBODY.map((point) => [...point]);
  if (!still.matches) {
    for (const [at, dx, dy] of MOODS[Math.floor(now / MOOD_MS) % MOODS.length]) {
      points[at][0] += dx;
      points[at][1] += dy;
    }
  }
  return points;
}

const share = (elapsed, ms) => (still.matches ? 1 : 1 - Math.exp(-elapsed / ms));

/** One face on its way from where it is drawn to where it is. */
class Drawn {
  constructor(parent, points, box) {
    this.face = new Face(parent);
    this.points = points.map((point) => [...point]);
    this.box = box && { ...box };
    this.aim(points, box);
  }

  aim(points, box) {
    this.to = points;
    this.toBox = box;
  }

  /** Goes a part of the way; false once there. */
  step(part) {
    let left = 0;
    for (const [at, point] of this.points.entries()) {
      for (const axis of [0, 1]) {
        const way = this.to[at][axis] - point[axis];
        point[axis] = Math.abs(way) < ARRIVED ? this.to[at][axis] : point[axis] + way * part;
        left = Math.max(left, Math.abs(this.to[at][axis] - point[axis]));
      }
    }
    for (const side of this.box ? ["x", "y", "w", "h"] : []) {
      const way = this.toBox[side] - this.box[side];
      this.box[side] = Math.abs(way) < ARRIVED ? this.toBox[side] : this.box[side] + way * part;
      left = Math.max(left, Math.abs(this.toBox[side] - this.box[side]));
    }
    this.face.draw(this.points, this.box);
    return left > 0;
  }
}

export class Mirror {
  constructor(svg) {
    this.svg = svg;
    this.group = document.createElementNS("http://www.w3.org/2000/svg", "g");
    svg.append(this.group);
    this.size = { width: 640, height: 480 };
    this.faces = new Map();
    this.nobody = null;
    this.view = null;
    this.running = false;
    this.last = 0;
  }

  /** The size of the camera's frame, in pixels. */
  frame(width, height) {
    this.size = { width, height };
  }

  /** Shows these faces; null shows the face of nobody. */
  show(faces) {
    if (faces === null) {
      this.showNobody();
    } else if (faces.length > 0) {
      this.showFaces(faces);
    }
    if (!this.running) {
      this.running = true;
      this.last = performance.now();
      requestAnimationFrame((now) => this.step(now));
    }
  }

  showNobody() {
    this.clear(this.faces);
    if (!this.nobody) {
      this.nobody = new Drawn(this.group, mood(performance.now()), null);
      this.group.setAttribute("transform", "");
      this.view = null;
    }
    this.nobody.aim(mood(performance.now()), null);
    this.aimView({ x: 6, y: 8, w: 88, h: 92 });
  }

  showFaces(faces) {
    if (this.nobody) {
      this.nobody.face.remove();
      this.nobody = null;
      this.view = null;
    }
    // A mirror: what is left in the frame is right on the screen.
    this.group.setAttribute("transform", `matrix(-1 0 0 1 ${this.size.width} 0)`);
    const shown = new Map();
    for (const [at, face] of faces.entries()) {
      const key = face.id ?? `at ${at}`;
      const drawn = this.faces.get(key) ?? new Drawn(this.group, face.keypoints, face.face);
      drawn.aim(face.keypoints, face.face);
      drawn.face.group.classList.toggle("beside", faces.length > 1 && face.counts === false);
      shown.set(key, drawn);
      this.faces.delete(key);
    }
    this.clear(this.faces);
    this.faces = shown;
    this.aimView(this.around(faces.map((face) => face.face)));
  }

  clear(faces) {
    for (const drawn of faces.values()) {
      drawn.face.remove();
    }
    faces.clear();
  }

  /** The part of the mirrored frame with all boxes and some room. */
  around(boxes) {
    const left = Math.min(...boxes.map((box) => box.x));
    const top = Math.min(...boxes.map((box) => box.y));
    const right = Math.max(...boxes.map((box) => box.x + box.w));
    const bottom = Math.max(...boxes.map((box) => box.y + box.h));
    const room = Math.max(...boxes.map((box) => box.w)) * AROUND;
    const width = right - left + 2 * room;
    const height = bottom - top + 2 * room;
    return { x: this.size.width - right - room, y: top - room, w: width, h: height };
  }

  aimView(view) {
    this.toView = view;
    this.view ??= { ...view };
  }

  step(now) {
    const elapsed = Math.min(now - this.last, 100);
    this.last = now;
    let moving = false;
    for (const drawn of this.nobody ? [this.nobody] : this.faces.values()) {
      moving = drawn.step(share(elapsed, this.nobody ? 700 : POINT_MS)) || moving;
    }
    for (const side of this.toView ? ["x", "y", "w", "h"] : []) {
      const way = this.toView[side] - this.view[side];
      this.view[side] += way * share(elapsed, VIEW_MS);
      moving = moving || Math.abs(way) > ARRIVED;
    }
    if (this.view) {
      const { x, y, w, h } = this.view;
      this.svg.setAttribute("viewBox", [x, y, w, h].map((value) => value.toFixed(2)).join(" "));
    }
    this.running = moving;
    if (moving) {
      requestAnimationFrame((later) => this.step(later));
    }
  }
}
