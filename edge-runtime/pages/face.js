// Draws faces as SVG: 15 points, the lines between them, and the box. Coordinates are pixels of the camera's frame.

const SVG = "http://www.w3.org/2000/svg";

/** Places in the list of keypoints; left and right are the visitor's own. */
const POINTS = {
  leftEye: 0,
  rightEye: 1,
  leftEyeInner: 2,
  leftEyeOuter: 3,
  rightEyeInner: 4,
  rightEyeOuter: 5,
  leftBrowInner: 6,
  leftBrowOuter: 7,
  rightBrowInner: 8,
  rightBrowOuter: 9,
  nose: 10,
  mouthLeft: 11,
  mouthRight: 12,
  topLip: 13,
  bottomLip: 14,
};

/** Thin lines that tie the parts of a face together. */
const TIES = [
  ["leftBrowInner", "rightBrowInner"],
  ["leftBrowInner", "leftEyeInner"],
  ["rightBrowInner", "rightEyeInner"],
  ["leftBrowOuter", "leftEyeOuter"],
  ["rightBrowOuter", "rightEyeOuter"],
  ["leftEyeInner", "nose"],
  ["rightEyeInner", "nose"],
  ["nose", "topLip"],
  ["leftEyeOuter", "mouthLeft"],
  ["rightEyeOuter", "mouthRight"],
];

const format = (value) => value.toFixed(2);
const pair = ([x, y]) => `${format(x)} ${format(y)}`;
const between = (a, b, share) => [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** The control point that makes a quadratic curve from `a` to `b` pass through `middle`. */
const through = (a, middle, b) => [
  2 * middle[0] - (a[0] + b[0]) / 2,
  2 * middle[1] - (a[1] + b[1]) / 2,
];

/** A closed almond from corner to corner, `rise` pixels high on either side. */
function almond(a, b, rise) {
  const length = distance(a, b) || 1;
  const normal = [(-(b[1] - a[1]) / length) * rise * 2, ((b[0] - a[0]) / length) * rise * 2];
  const middle = between(a, b, 0.5);
  const over = [middle[0] + normal[0], middle[1] + normal[1]];
  const under = [middle[0] - normal[0], middle[1] - normal[1]];
  return `M${pair(a)}Q${pair(over)} ${pair(b)}Q${pair(under)} ${pair(a)}Z`;
}

/** A brow: bent a little away from the eye below it. */
function brow(inner, outer, eye) {
  const middle = between(inner, outer, 0.45);
  const lift = between(eye, middle, 1.16);
  return `M${pair(inner)}Q${pair(through(inner, lift, outer))} ${pair(outer)}`;
}

function lips(p) {
  const upper = through(p.mouthLeft, p.topLip, p.mouthRight);
  const lower = through(p.mouthLeft, p.bottomLip, p.mouthRight);
  return `M${pair(p.mouthLeft)}Q${pair(upper)} ${pair(p.mouthRight)}Q${pair(lower)} ${pair(p.mouthLeft)}Z`;
}

/** The 15 points by name. */
export function named(keypoints) {
  return Object.fromEntries(Object.entries(POINTS).map(([name, at]) => [name, keypoints[at]]));
}

function create(name, kind, parent) {
  const element = document.createElementNS(SVG, name);
  element.setAttribute("class", kind);
  parent.append(element);
  return element;
}

/** One face in a drawing. */
export class Face {
  constructor(parent) {
    this.group = create("g", "face", parent);
    this.bounds = create("path", "bounds", this.group);
    this.ties = create("path", "line hint", this.group);
    this.brows = create("path", "line brow", this.group);
    this.eyes = create("path", "line eye", this.group);
    this.mouth = create("path", "line mouth", this.group);
    this.points = Object.keys(POINTS).map(() => create("circle", "point", this.group));
  }

  /** Draws the points `[[x, y] × 15]` and the box `{x, y, w, h}`; without a box none is drawn. */
  draw(keypoints, box) {
    const p = named(keypoints);
    const eyes = distance(p.leftEye, p.rightEye);
    this.ties.setAttribute("d", TIES.map(([a, b]) => `M${pair(p[a])}L${pair(p[b])}`).join(""));
    this.brows.setAttribute(
      "d",
      brow(p.leftBrowInner, p.leftBrowOuter, p.leftEye) + brow(p.rightBrowInner, p.rightBrowOuter, p.rightEye),
    );
    const open = (inner, outer) => almond(inner, outer, distance(inner, outer) * 0.2);
    this.eyes.setAttribute("d", open(p.leftEyeInner, p.leftEyeOuter) + open(p.rightEyeInner, p.rightEyeOuter));
    this.mouth.setAttribute("d", lips(p));
    for (const [at, point] of keypoints.entries()) {
      const iris = at === POINTS.leftEye || at === POINTS.rightEye;
      this.points[at].setAttribute("cx", format(point[0]));
      this.points[at].setAttribute("cy", format(point[1]));
      this.points[at].setAttribute("r", format(eyes * (iris ? 0.062 : 0.03)));
    }
    if (box) {
      this.frame(box);
    }
  }

  /** Of the box only the corners are drawn. */
  frame({ x, y, w, h }) {
    const arm = Math.min(w, h) * 0.13;
    const corner = (cx, cy, dx, dy) =>
      `M${pair([cx + dx * arm, cy])}L${pair([cx, cy])}L${pair([cx, cy + dy * arm])}`;
    this.bounds.setAttribute(
      "d",
      corner(x, y, 1, 1) + corner(x + w, y, -1, 1) + corner(x + w, y + h, -1, -1) + corner(x, y + h, 1, -1),
    );
  }

  remove() {
    this.group.remove();
  }
}

/** A face that nobody has, for when nobody is there: in a square of 100 by 100. */
export const NOBODY = [
  [66, 42],
  [34, 42],
  [59, 43],
  [73, 42.5],
  [41, 43],
  [27, 42.5],
  [57, 33],
  [76, 33.5],
  [43, 33],
  [24, 33.5],
  [50, 58],
  [66, 72],
  [34, 72],
  [50, 71],
  [50, 79],
];
