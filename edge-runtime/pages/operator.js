// The operator's page: everything that the kiosk knows of itself, and the few things that may be changed.

import { fact, make, marked } from "./build.js";
import { hoursOfDay } from "./chart.js";
import { Face, NOBODY } from "./face.js";
import { follow } from "./live.js";
import { FINE, light, meter, size } from "./meters.js";
import { at, fill, load, preferred, tone, verdictWord } from "./words.js";

/** How often rates, parts and counts are asked for, in milliseconds. */
const LOOK_MS = 2000;

const element = (id) => document.getElementById(id);
const words = await load(preferred());
const say = (key, values) => at(words, `operator.${key}`, values);

document.documentElement.lang = words.language;
document.title = say("title");
fill(document, words);

const thumb = document.querySelector(".thumb");
const face = new Face(thumb);
let snapshot = null;
let faces = null;
/** Snapshots that were asked for so far, and the last of them that is shown. */
let asked = 0;
let shown = 0;

/** A stretch of time in words: `4 s`, `12 min`, `3 h`, `2 d`. */
function time(seconds) {
  const [unit, length] =
    seconds < 60 ? ["s", 1] : seconds < 3600 ? ["m", 60] : seconds < 86_400 ? ["h", 3600] : ["d", 86_400];
  return say(`units.${unit}`, { n: Math.max(0, Math.floor(seconds / length)) });
}

const number = (value, digits = 0) =>
  new Intl.NumberFormat(words.language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

function verdictOf(state) {
  if (snapshot?.switches.pause) return say("paused");
  switch (state?.emotion) {
    case undefined:
    case "unknown":
      return say("unknown");
    case "no_face":
      return say("nobody");
    case "uncertain":
      return say("unsure");
    default:
      return verdictWord(words, "emotion", state.emotion);
  }
}

const toneOf = (label) => {
  const index = snapshot.classes.indexOf(label);
  return index < 0 ? "calm" : tone(label, index);
};

function showNow() {
  const { state } = snapshot;
  element("now").dataset.tone = toneOf(state?.emotion);
  element("verdict").textContent = verdictOf(state);
  const sure = state?.confidence > 0 ? `${number(state.confidence * 100)} %` : "";
  const reason = state?.reason ? say(`reason.${state.reason}`) : "";
  const since = snapshot.recent[0] ? say("since", { time: time((Date.now() - snapshot.recent[0].at_ms) / 1000) }) : "";
  element("verdict-sub").textContent = [reason, sure, since].filter(Boolean).join(" · ");
  const seen = faces?.faces.find((one) => one.counts) ?? faces?.faces[0];
  showThumb(seen);
  element("meters").replaceChildren(
    meter(say("light"), light(faces?.light), (name) => say(`light_${name}`)),
    meter(say("face_size"), size(seen?.face.w, snapshot.camera), (name) =>
      name === FINE ? `${number(seen.face.w)} px` : say(`face_${name}`),
    ),
    fact(say("turned"), seen ? (seen.reason ? say(`reason.${seen.reason}`) : say("facing")) : "–"),
  );
}

/** The face in a square of 100 by 100, mirrored. */
function showThumb(seen) {
  thumb.classList.toggle("nobody", !seen);
  if (!seen) {
    face.draw(NOBODY, null);
    return;
  }
  const { x, y, w, h } = seen.face;
  const side = Math.max(w, h) / 92;
  face.draw(
    seen.keypoints.map(([px, py]) => [96 - (px - x) / side, 4 + (py - y) / side]),
    null,
  );
}

function showHealth() {
  const bad = snapshot.parts.filter((part) => !part.ok).length;
  const needs = bad + snapshot.checks.filter((check) => !check.ok).length;
  element("health").dataset.health = bad > 0 ? "bad" : needs > 0 ? "needs" : "well";
  // Leads to what needs somebody.
  element("health").href = bad > 0 ? "#parts-title" : needs > 0 ? "#machine-title" : "#warnings-title";
  element("health-words").textContent =
    needs === 0 ? say("well") : needs === 1 ? say("needs_one") : say("needs", { count: needs });
}

function showWarnings() {
  const rows = snapshot.warnings.map((warning) => {
    const ago = time(warning.age_s);
    const when = warning.times > 1 ? say("times", { count: warning.times, time: ago }) : say("ago", { time: ago });
    const cure = warning.cure
      ? [make("p", { kind: "cure", children: [make("b", { text: `${say("cure")}: ` }), ...marked(warning.cure)] })]
      : [];
    return make("li", {
      children: [make("p", { children: marked(warning.text) }), ...cure, make("p", { kind: "when", text: when })],
    });
  });
  element("warning-list").replaceChildren(
    ...(rows.length > 0 ? rows : [make("li", { kind: "none", text: say("warnings_none") })]),
  );
}

function showToday() {
  const { counts } = snapshot;
  if (!counts) {
    element("today").replaceChildren(make("p", { kind: "none", text: say("today_off") }));
    return;
  }
  const sum = (key) => counts.hours.reduce((all, hour) => all + hour[key], 0);
  const sums = ["visitors", "attentive", "smiles"].map((key) =>
    make("p", { children: [make("b", { text: number(sum(key)) }), make("span", { text: say(key) })] }),
  );
  const legend = make("p", {
    kind: "legend",
    children: [
      make("span", { kind: "all", text: say("visitors") }),
      make("span", { kind: "attentive", text: say("attentive") }),
    ],
  });
  const chart = hoursOfDay(counts.hours, counts.now_hour, (hour) => say("hour", hour));
  element("today").replaceChildren(make("div", { kind: "sums", children: sums }), chart, legend);
}

function row(ok, name, state, cure) {
  const dot = make("span", { kind: "dot", "data-health": ok ? "well" : "bad" });
  const children = [dot, make("span", { text: name }), make("span", { kind: ok ? "state" : "state bad-words", text: state })];
  if (cure) {
    children.push(make("p", { kind: "cure", children: marked(cure) }));
  }
  return make("li", { children });
}

function showParts() {
  element("parts").replaceChildren(
    ...snapshot.parts.map((part) => {
      const name = words.operator.part[part.name] ?? part.name;
      return row(part.ok, name, part.ok ? say("working") : say("stuck", { time: time(part.silent_s) }));
    }),
  );
  element("checks").replaceChildren(
    ...snapshot.checks.map((check) => {
      const line = row(check.ok, check.check, "", check.cure);
      line.insertBefore(make("p", { kind: "cure", text: check.found }), line.querySelector(".cure"));
      return line;
    }),
  );
}

function showSpeed() {
  const stages = snapshot.latency_ms;
  const most = Math.max(...stages.map((stage) => stage.p95), 1);
  const cells = stages.flatMap((stage) => {
    const kind = stage.stage === "total" ? "total" : "";
    const half = make("span", { kind: "half" });
    half.style.width = `${(100 * stage.p50) / most}%`;
    const line = make("span", { kind: "most" });
    line.style.left = `calc(${(100 * stage.p95) / most}% - 0.18rem)`;
    return [
      make("span", { kind, text: say(`stage.${stage.stage}`) }),
      make("span", { kind: "rail", children: [half, line] }),
      make("span", { kind: "number", text: `${number(stage.p50, 1)} ms` }),
    ];
  });
  element("speed").replaceChildren(make("div", { kind: "bars-of-time", children: cells }));
}

function showFacts() {
  const { camera, rates, outbox, broker, bundle, update } = snapshot;
  element("camera").replaceChildren(
    fact(say("source"), camera.source),
    fact(say("size"), faces?.width ? `${faces.width} × ${faces.height}` : "–"),
    fact(say("rate_camera"), say("per_second", { value: number(rates.captured, 1) })),
    fact(say("rate_judged"), say("per_second", { value: number(rates.judged, 1) })),
    fact(say("skipped"), number(rates.skipped)),
    fact(say("bad"), number(rates.bad)),
  );
  const box = outbox ?? broker;
  element("outbox").replaceChildren(
    ...(box
      ? [
          fact(
            say("broker"),
            broker?.connected ? say("connected") : say("not_connected"),
            broker?.connected ? "fine-words" : "bad-words",
          ),
          fact(say("waiting"), number(outbox?.waiting ?? 0)),
          fact(say("dropped"), number(outbox?.dropped ?? 0)),
        ]
      : [fact(say("broker"), say("outbox_off"))]),
  );
  element("software").replaceChildren(
    fact(say("program"), snapshot.version),
    fact(say("bundle"), `${bundle.name} ${bundle.version}`),
    fact(say("precision"), bundle.precision),
    fact(say("running"), time(snapshot.uptime_s)),
  );
  showUpdate(update);
}

function showUpdate(update) {
  const newer = update && update.latest > update.installed;
  const key = !update ? "update_off" : !newer ? "update_none" : update.in_progress ? "update_busy" : "update_there";
  element("update-words").textContent = say(key, update ?? {});
  element("install").hidden = !newer || update.in_progress;
  element("install").textContent = say("install", update ?? {});
}

function showVerdicts() {
  const rows = snapshot.recent.map((state) =>
    make("li", {
      "data-tone": toneOf(state.emotion),
      children: [
        make("span", { kind: "dot" }),
        make("span", {
          text: [verdictOf(state), state.reason && say(`reason.${state.reason}`)].filter(Boolean).join(" · "),
        }),
        make("time", { kind: "when", text: new Date(state.at_ms).toLocaleTimeString(words.language) }),
      ],
    }),
  );
  element("verdicts").replaceChildren(
    ...(rows.length > 0 ? rows : [make("li", { kind: "none", text: say("verdicts_none") })]),
  );
}

function show() {
  element("device").textContent = snapshot.device;
  element("sub").textContent = `${say("running")} ${time(snapshot.uptime_s)}`;
  for (const name of ["pause", "mute"]) {
    element(name).setAttribute("aria-pressed", String(snapshot.switches[name]));
  }
  showHealth();
  showNow();
  showWarnings();
  showToday();
  showParts();
  showSpeed();
  showFacts();
  showVerdicts();
}

function take(news) {
  snapshot = news;
  faces = news.faces ?? faces;
  element("lost").hidden = true;
  show();
}

async function look() {
  asked += 1;
  const mine = asked;
  const answer = await fetch("/api/snapshot");
  if (answer.status === 401) {
    location.reload();
  } else if (answer.ok) {
    const news = await answer.json();
    // One that was asked for earlier may come later, and tells of an older kiosk.
    if (mine > shown) {
      shown = mine;
      take(news);
    }
  }
}

async function change(name, order) {
  element("failed").hidden = true;
  try {
    const answer = await fetch(`/api/${name}`, { method: "POST", body: order });
    if (!answer.ok) throw new Error(await answer.text());
    await look();
  } catch (error) {
    element("failed").textContent = say("failed", { why: error.message });
    element("failed").hidden = false;
  }
}

for (const name of ["pause", "mute"]) {
  element(name).addEventListener("click", () => change(name, snapshot?.switches[name] ? "OFF" : "ON"));
}
element("install").addEventListener("click", () => {
  if (confirm(say("install_sure"))) change("update", "INSTALL");
});
element("lost").textContent = say("lost");

follow({
  snapshot(news) {
    asked += 1;
    shown = asked;
    take(news);
  },
  state(state) {
    if (!snapshot) return;
    snapshot.state = state;
    snapshot.recent = [{ ...state, at_ms: Date.now() }, ...snapshot.recent].slice(0, 16);
    showNow();
    showVerdicts();
  },
  faces(message) {
    faces = message;
    if (snapshot) showNow();
  },
  lost() {
    element("lost").hidden = false;
  },
});
// The stream says when it is lost.
setInterval(() => look().catch(() => {}), LOOK_MS);
