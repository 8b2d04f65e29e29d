// The value, how sure it is, and its intervals drawn on one axis.
function showValue(data) {
  const none = data.noEstimate !== null;
  const subject = data.propertyId ? `home ${data.propertyId}` : "this home";
  $("worth-title").textContent = none ? "No estimate" : "Estimated value";
  $("value").className = none ? "value none" : "value";
  $("value").textContent = none ? "We do not know enough" : usd(data.estimatedValue);
  $("of").textContent = `${subject}, as of ${day(data.asOf)}`;
  $("marks").replaceChildren(...(none ? [] : [
    ["Chance within ±10 %", percent(data.confidence)], ["Typical error (FSD)", `± ${percent(data.fsd, 1)}`],
    ["Comparable sales", String(data.comparables.length)],
  ].map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)))));
  $("spans").replaceChildren(...(none
    ? [make("ul", { class: "reasons" }, ...data.noEstimate.reasons.map((reason) => make("li", {}, readable(reason))))]
    : [spans(data), spansTable(data)]));
  $("honest").hidden = none;
  $("notes").textContent = notes(data);
}

function notes(data) {
  const said = [];
  if (data.fallbackLevel === "lastGoodModel") said.push("The model registry does not answer: this is the last good model.");
  if (data.fallbackLevel === "staleFeatures") said.push("The feature store does not answer: facts are as last read.");
  if (data.overriddenFacts.length) {
    said.push("What if: " + data.overriddenFacts.map((o) => `${words(o.fact).toLowerCase()} ${shown(o.fact, o.was)} → ${shown(o.fact, o.now)}`).join(", ") + ".");
  }
  const assumed = Object.entries({ ...data.assumedFacts, ...(data.assumedFacts.extra || {}) }).filter(([fact]) => fact !== "extra");
  if (assumed.length) said.push("Not given, so taken as typical of the area, which widens the intervals: " + assumed.map(([fact, value]) => `${words(fact).toLowerCase()} ${shown(fact, value)}`).join(", ") + ".");
  if (data.ignoredFacts.length) said.push(`This model does not look at: ${data.ignoredFacts.map((fact) => words(fact.fact).toLowerCase()).join(", ")}.`);
  return said.join(" ");
}

function spans(data) {
  const { p68, p80, p95 } = data.intervals;
  const margin = (p95.high - p95.low) * 0.06 || 1;
  const [low, high, width] = [p95.low - margin, p95.high + margin, Math.max(280, $("spans").clientWidth || 680)];
  const x = (amount) => ((amount - low) / (high - low)) * width;
  const svg = draw("svg", { viewBox: `0 0 ${width} 132`, role: "img", "aria-label":
    `Value ${usd(data.estimatedValue)}. 68 percent interval ${usd(p68.low)} to ${usd(p68.high)}, 80 percent ${usd(p80.low)} to ${usd(p80.high)}, 95 percent ${usd(p95.low)} to ${usd(p95.high)}.` });
  [["b95", p95, 34], ["b80", p80, 40], ["b68", p68, 46]].forEach(([name, range, top]) =>
    svg.append(draw("rect", { class: name, x: x(range.low), y: top, width: Math.max(1, x(range.high) - x(range.low)), height: 94 - 2 * (top - 16) - 6, rx: 4 })));
  const at = x(data.estimatedValue);
  svg.append(draw("line", { class: "tick", x1: at, x2: at, y1: 26, y2: 98 }),
    draw("text", { class: "strong", x: at, y: 18, "text-anchor": "middle" }, usd(data.estimatedValue)));
  svg.append(draw("line", { class: "axis", x1: 0, x2: width, y1: 104, y2: 104 }));
  for (const step of niceSteps(low, high, width / 90)) {
    if (x(step) < 16 || x(step) > width - 16) continue;
    svg.append(draw("line", { class: "axis", x1: x(step), x2: x(step), y1: 104, y2: 109 }),
      draw("text", { class: "soft", x: x(step), y: 124, "text-anchor": "middle" }, shortUsd(step)));
  }
  return svg;
}

function spansTable(data) {
  const rows = [["p68", "68 %"], ["p80", "80 %"], ["p95", "95 %"]].filter(([key]) => data.intervals[key]);
  const swatch = (key) => draw("svg", { viewBox: "0 0 10 10", width: 10, height: 10, class: "swatch", "aria-hidden": "true" }, draw("rect", { class: key.replace("p", "b"), width: 10, height: 10, rx: 2 }));
  return make("table", { class: "interval-table" },
    make("caption", { class: "visually-hidden" }, "Intervals that hold the sale price with the given probability"),
    make("tbody", {}, ...rows.map(([key, name]) => make("tr", {},
      make("th", { scope: "row" }, swatch(key), ` ${name} of sales like this fall within`),
      make("td", {}, `${usd(data.intervals[key].low)} – ${usd(data.intervals[key].high)}`)))));
}
