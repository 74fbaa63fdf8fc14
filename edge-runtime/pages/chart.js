// The day by hours: a bar for all visitors, and in it one for those who looked at the screen.

import { draw } from "./build.js";

const WIDTH = 340;
const HEIGHT = 132;
const FLOOR = 112;
const TOP = 10;
const GAP = 3;

/** The next round number: 1, 2, 5, 10, 20, 50, … */
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((round) => round >= value);
}

/** The hours to show: from the first with a visitor to now, and at least a working day. */
export function span(hours, now) {
  const busy = hours.filter((hour) => hour.visitors > 0).map((hour) => hour.hour);
  const from = Math.min(9, now, ...busy);
  const to = Math.max(18, now, ...busy);
  return [from, to];
}

/** Draws `hours`, a list of `{hour, visitors, attentive}`; `tell(hour)` puts one into words. */
export function hoursOfDay(hours, now, tell) {
  const [from, to] = span(hours, now);
  const most = ceiling(Math.max(...hours.map((hour) => hour.visitors), 1));
  const left = 26;
  const step = (WIDTH - left) / (to - from + 1);
  const height = (value) => ((FLOOR - TOP) * value) / most;
  const chart = draw("svg", { kind: "hours", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  for (const value of [0, most / 2, most]) {
    const y = FLOOR - height(value);
    chart.append(draw("line", { x1: left, x2: WIDTH, y1: y, y2: y }));
    if (Number.isInteger(value) && value > 0) {
      chart.append(draw("text", { kind: "most", x: left - 6, y: y + 3.5, text: String(value) }));
    }
  }
  for (let at = from; at <= to; at += 1) {
    const hour = hours.find((hour) => hour.hour === at) ?? { hour: at, visitors: 0, attentive: 0 };
    const x = left + (at - from) * step + GAP / 2;
    const bar = (kind, value) =>
      draw("rect", {
        kind,
        x: x.toFixed(1),
        y: (FLOOR - height(value)).toFixed(1),
        width: (step - GAP).toFixed(1),
        height: height(value).toFixed(1),
        rx: Math.min(3, height(value) / 2).toFixed(1),
      });
    const words = draw("title", { text: tell(hour) });
    chart.append(draw("g", { children: [words, bar("all", hour.visitors), bar("attentive", hour.attentive)] }));
    if ((at - from) % (to - from > 13 ? 3 : 2) === 0) {
      chart.append(draw("text", { x: (x + (step - GAP) / 2).toFixed(1), y: HEIGHT - 4, text: String(at) }));
    }
  }
  chart.setAttribute("aria-label", hours.filter((hour) => hour.visitors > 0).map(tell).join("; "));
  return chart;
}
