// The visitor's page: what the kiosk sees and says, for whoever stands in front of it.

import { Mirror } from "./mirror.js";
import { follow } from "./live.js";
import { at, load, tone, verdictWord } from "./words.js";
import { Show } from "./media.js";

/** How long somebody new is greeted before the page says that it is not sure, in milliseconds. */
const GREETING_MS = 1600;
/** How long the notice stands alone before the first face is drawn, in milliseconds. */
const NOTICE_MS = 3000;
/** How long the last face is remembered after frames stop coming, in milliseconds. */
const STALE_MS = 1500;

const body = document.body;
const element = (id) => document.getElementById(id);
const mirror = new Mirror(document.querySelector(".mirror"));
const show = new Show(document.querySelector(".media"), body);

/** All that the page knows; render() is the only reader. */
const known = {
  words: null,
  page: null,
  classes: [],
  paused: false,
  connected: false,
  state: null,
  faces: [],
  facesAt: 0,
  cameAt: null,
  /** The trigger whose media are shown, and until when. */
  trigger: null,
  triggerUntil: 0,
  noticeAt: performance.now(),
};

function phase(now) {
  if (!known.connected || !known.words) return "away";
  if (known.paused) return "paused";
  const verdict = known.state?.emotion ?? "unknown";
  if (now - known.noticeAt < NOTICE_MS) return "attract";
  if (verdict === "no_face" || (verdict === "unknown" && known.faces.length === 0)) {
    return known.faces.length > 0 ? "greet" : known.state ? "attract" : "away";
  }
  if (known.state?.reason) return "hint";
  if (verdict === "uncertain" || verdict === "unknown") {
    return known.cameAt !== null && now - known.cameAt < GREETING_MS ? "greet" : "unsure";
  }
  return "show";
}

/** Lead, word and what is said below it. */
function said(name) {
  const { words, page, state } = known;
  const say = (key) => at(words, `visitor.${key}`);
  switch (name) {
    case "attract":
      return ["", say("attract"), say("attract_more")];
    case "greet":
      return ["", say("hello"), say("hello_more")];
    case "unsure":
      return ["", say("unsure"), say("unsure_more")];
    case "hint":
      return ["", say(`reason.${state.reason}`), say(`reason_more.${state.reason}`)];
    case "paused":
      return ["", say("paused"), say("paused_more")];
    case "show": {
      const vocabulary = page.vocabulary;
      return [at(words, `${vocabulary}.lead`), verdictWord(words, vocabulary, state.emotion), ""];
    }
    default:
      return words ? ["", say("away"), say("away_more")] : ["", "", ""];
  }
}

/** Letters of the longest line, if the words are spread over as few lines as they need at most two of. */
function longestLine(text) {
  const parts = text.split(/\s+/);
  const longest = Math.max(...parts.map((part) => part.length), 4);
  return parts.length > 1 ? Math.max(longest, Math.ceil(text.length / 2) + 1) : longest;
}

function tell([lead, word, more]) {
  const told = document.querySelector(".told");
  if (element("word").textContent === word && element("lead").textContent === lead && element("more").textContent === more) {
    return;
  }
  element("lead").textContent = lead;
  element("lead").hidden = lead === "";
  element("word").textContent = word;
  element("word").style.setProperty("--long", longestLine(word));
  element("more").textContent = more;
  told.classList.remove("changed");
  // Begins the animation anew.
  void told.offsetWidth;
  told.classList.add("changed");
}

function buildBars() {
  const bars = element("bars");
  bars.replaceChildren(
    ...known.classes.map((label, index) => {
      const row = document.createElement("li");
      row.dataset.label = label;
      row.dataset.tone = tone(label, index);
      const name = document.createElement("span");
      name.className = "name";
      name.textContent = verdictWord(known.words, known.page.vocabulary, label);
      const track = document.createElement("span");
      track.className = "track";
      const share = document.createElement("div");
      share.className = "share";
      track.append(share);
      row.append(name, track);
      return row;
    }),
  );
}

function showBars(name) {
  const face = known.faces.find((face) => face.counts) ?? known.faces[0];
  for (const row of element("bars").children) {
    const score = face?.scores?.[row.dataset.label] ?? 0;
    row.querySelector(".share").style.setProperty("--share", score.toFixed(3));
    row.classList.toggle("told-now", name === "show" && row.dataset.label === known.state.emotion);
  }
}

function render() {
  const now = performance.now();
  if (known.faces.length > 0 && now - known.facesAt > STALE_MS) {
    known.faces = [];
    known.cameAt = null;
  }
  const name = phase(now);
  body.dataset.phase = name;
  const verdict = known.state?.emotion;
  body.dataset.tone = name === "show" ? tone(verdict, known.classes.indexOf(verdict)) : "calm";
  showBars(name);
  const alone = name === "attract" || name === "away" || name === "paused";
  mirror.show(alone ? null : known.faces);
  const triggered = now < known.triggerUntil ? known.trigger : null;
  const [lead, word, more] = said(name);
  tell([lead, word, show.show(known.page?.media, triggered ?? (alone ? "no_face" : verdict)) ?? more]);
}

async function takeSnapshot(snapshot) {
  known.connected = true;
  known.paused = snapshot.switches.pause;
  known.state = snapshot.state;
  known.classes = snapshot.classes;
  const changed = JSON.stringify(known.page) !== JSON.stringify(snapshot.page);
  if (changed || !known.words) {
    known.words = await load();
    known.page = snapshot.page;
    document.documentElement.lang = known.words.language;
    document.title = at(known.words, "visitor.title");
    element("notice-words").textContent = at(known.words, `${known.page.vocabulary}.notice`);
    element("notice-more").textContent = at(known.words, `${known.page.vocabulary}.notice_more`);
    known.noticeAt = performance.now();
  }
  buildBars();
  if (snapshot.faces) {
    takeFaces(snapshot.faces);
  }
  render();
}

function takeFaces(message) {
  known.facesAt = performance.now();
  if (message.faces.length > 0 && known.faces.length === 0) {
    known.cameAt = known.facesAt;
  }
  if (message.faces.length === 0) {
    known.cameAt = null;
  }
  known.faces = message.faces;
  mirror.frame(message.width, message.height);
}

follow({
  snapshot: takeSnapshot,
  state(state) {
    known.state = state;
    render();
  },
  faces(message) {
    takeFaces(message);
    render();
  },
  trigger(message) {
    known.trigger = message.name;
    known.triggerUntil = performance.now() + message.show_ms;
    render();
  },
  lost() {
    known.connected = false;
    render();
  },
});
// Greetings end and frames grow old without a message.
setInterval(render, 250);
