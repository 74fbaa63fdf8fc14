// A kiosk for pictures: the pages get these messages instead of live ones, so that a picture is the same each time.
// `scene` stands before this script: {emotion, reason, faces, paused, language, troubles, left_s}. With `left_s` it is the page
// of whoever aims the camera, whose clock stands still.

const NOW = Date.UTC(2026, 10, 27, 14, 30);
Date.now = () => NOW;

const POINTS = [
  [66.4, 37.7], [30.3, 37.9], [59.2, 38.0], [73.3, 38.4], [36.7, 38.0], [22.4, 38.4], [56.1, 29.3], [79.5, 29.7],
  [39.3, 29.5], [15.9, 30.4], [48.4, 57.1], [65.3, 72.9], [30.7, 73.2], [48.0, 71.9], [48.1, 80.5],
];
const CLASSES = ["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral"];
const SCORES = [0.01, 0.02, 0.03, 0.83, 0.04, 0.07];

const face = (id, x, y, side, counts) => ({
  id,
  counts,
  face: { x, y, w: side, h: side },
  emotion: "Happy",
  confidence: 0.83,
  scores: Object.fromEntries(CLASSES.map((label, at) => [label, SCORES[at]])),
  keypoints: POINTS.map(([px, py]) => [x + (px * side) / 96, y + (py * side) / 96]),
});
const FACES = [face(7, 230, 130, 180, true), face(8, 470, 210, 96, false)];

const state = (emotion, ago) => ({
  boot: "b", sequence: 41 - ago, time_ms: 1000, emotion, confidence: 0.83, face: emotion !== "no_face",
  at_ms: NOW - ago * 9000,
});
const current = { ...state(scene.emotion, 0), ...(scene.reason ? { reason: scene.reason } : {}) };
const hour = (number, visitors) => ({
  hour: number, visitors, attentive: Math.round(visitors * 0.7), smiles: Math.round(visitors * 0.3),
});
const part = (name, silent) => ({ name, ok: silent < 10, silent_s: silent });
const trouble = scene.troubles
  ? [
      { text: "mqtt: connect to broker.local:1883: connection refused", cure: "start the broker, or check `host` and `port`", times: 14, age_s: 21 },
      { text: "read frame: frames/0412.jpg is cut off", cure: "use a shorter or better cable, or other `pixels`", times: 1, age_s: 4300 },
    ]
  : [];
const snapshot = {
  boot: "b",
  device: "Entrance hall",
  version: "0.2.0",
  uptime_s: 93_600,
  classes: CLASSES,
  state: current,
  faces: { input: "camera", frame: 9, time_ms: 900, width: 640, height: 480, light: 0.46, faces: FACES.slice(0, scene.faces) },
  page: { language: scene.language, vocabulary: "emotion", media: {} },
  switches: { pause: Boolean(scene.paused), mute: false },
  recent: [current, state("uncertain", 1), state("Surprise", 3), state("no_face", 8), state("Sad", 14)],
  camera: { source: "v4l2:/dev/video0", smallest_face_px: 80 },
  rates: { captured: 10, judged: 9.98, skipped: 3, bad: scene.troubles ? 1 : 0 },
  latency_ms: [
    ["capture", 2.1, 3.4], ["find", 9.8, 14.2], ["crop", 0.4, 0.6], ["networks", 11.2, 13.9], ["decide", 0.1, 0.2],
    ["total", 23.4, 30.1],
  ].map(([stage, p50, p95]) => ({ stage, p50, p95, p99: p95 + 2 })),
  parts: [
    part("capture", 0), part("inference", 0), part("detector", 0), part("output", 0), part("gpio", 0),
    part("mqtt", scene.troubles ? 42 : 0), part("page", 0), part("bundles", 0),
  ],
  checks: [
    { check: "clock", ok: true, found: "synchronised", cure: null },
    { check: "memory", ok: true, found: "412 MiB are free", cure: null },
    scene.troubles
      ? { check: "throttling", ok: false, found: "the firmware slows down: 0x4", cure: "use a stronger power supply (bit 0) or a cooler (bits 1 to 3)" }
      : { check: "throttling", ok: true, found: "51 °C", cure: null },
  ],
  broker: { connected: !scene.troubles },
  outbox: { waiting: scene.troubles ? 128 : 0, dropped: 0 },
  bundle: { name: "emotion-kiosk", version: 9, precision: "int8" },
  update: { installed: 9, latest: 10, in_progress: false },
  counts: { now_hour: 14, hours: [hour(9, 4), hour(10, 17), hour(11, 32), hour(12, 21), hour(13, 38), hour(14, 12)] },
  warnings: trouble,
  left_s: scene.left_s,
};
if (scene.left_s) performance.now = () => 0;

/** What the camera sees: a wall with light from above, and somebody where the faces are. */
function picture() {
  const canvas = new OffscreenCanvas(640, 480);
  const context = canvas.getContext("2d");
  const wall = context.createLinearGradient(0, 0, 0, 480);
  wall.addColorStop(0, "#b8b8b8");
  wall.addColorStop(1, "#4c4c4c");
  context.fillStyle = wall;
  context.fillRect(0, 0, 640, 480);
  for (const { face } of FACES.slice(0, scene.faces)) {
    context.fillStyle = "#8e8e8e";
    context.beginPath();
    context.ellipse(face.x + face.w / 2, face.y + face.h / 2, face.w * 0.42, face.h * 0.52, 0, 0, 2 * Math.PI);
    context.fill();
  }
  return canvas.convertToBlob({ type: "image/png" });
}

window.EventSource = class extends EventTarget {
  constructor() {
    super();
    const tell = (name, data) => this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
    setTimeout(() => tell("snapshot", snapshot));
    setInterval(() => tell("faces", snapshot.faces), 200);
  }
  close() {}
};
const ask = window.fetch;
window.fetch = (file, ...more) => {
  if (file === "/api/snapshot") return Promise.resolve(new Response(JSON.stringify(snapshot)));
  if (file === "/api/picture") {
    return picture().then((png) => new Response(png, { headers: { "edge-frame": String(snapshot.faces.frame) } }));
  }
  return ask(file === "/words.json" ? `/assets/lang/${scene.language}.json` : file, ...more);
};
