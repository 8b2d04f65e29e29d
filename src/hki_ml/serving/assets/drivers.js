// The value drivers as a waterfall: from the area's typical home to this one, adding up to the dollar.
function showDrivers(data) {
  const steps = data.valueDrivers;
  $("drivers-card").hidden = !steps.length;
  if (!steps.length) return;
  let running = data.typicalValue;
  const levels = [running, ...steps.map((step) => (running += step.amountUsd))];
  const [low, high] = [Math.min(...levels), Math.max(...levels)];
  const margin = (high - low) * 0.08 || 1;
  const x = (amount) => ((amount - low + margin) / (high - low + 2 * margin)) * 400;
  const bar = (name, from, to) => draw("svg", { viewBox: "0 0 400 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("line", { class: "join", x1: x(to), x2: x(to), y1: 0, y2: 24 }),
    draw("rect", { class: name, x: Math.min(x(from), x(to)), y: 4, width: Math.max(1.5, Math.abs(x(to) - x(from))), height: 16, rx: 1.5 }));
  // The axis does not start at nothing, so a total is a mark on it and no bar whose length would mean something.
  const total = (amount) => draw("svg", { viewBox: "0 0 400 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { class: "base", x: x(amount) - 2, y: 2, width: 4, height: 20 }));
  const ends = (title, note, amount) => make("tr", { class: "sum" }, make("th", { scope: "row" }, title), make("td", { class: "facts-cell" }, note),
    make("td", { class: "bar" }, total(amount)), make("td", {}, usd(amount)), make("td", {}, usd(amount)));
  const rows = steps.map((step, i) => make("tr", {}, make("th", { scope: "row" }, words(step.factor)), make("td", { class: "facts-cell" }, compared(step)),
    make("td", { class: "bar" }, bar(step.amountUsd < 0 ? "minus" : "plus", levels[i], levels[i + 1])),
    make("td", { class: tone(step.amountUsd) }, step.amountUsd === 0 ? "0" : signed(step.amountUsd)), make("td", { class: "nil" }, usd(levels[i + 1]))));
  $("drivers").replaceChildren(
    make("caption", { class: "visually-hidden" }, "The typical value plus every driver is the estimated value"),
    make("thead", {}, make("tr", {}, ...["Driver", "This home, and the typical one"].map((t, i) => make("th", { scope: "col", class: i ? "facts-cell" : null }, t)), make("th", { scope: "col" }, make("span", { class: "visually-hidden" }, "Drawn")), make("th", { scope: "col" }, "Adds"), make("th", { scope: "col" }, "Running"))),
    make("tbody", {}, ends("Typical home of the area", "", data.typicalValue), ...rows, ends("Estimated value", "", data.estimatedValue)));
}

function compared(step) {
  // Coordinates say nothing to a reader; the map shows where the home is.
  const place = new Set(["latitude", "longitude"]);
  const [mine, usual] = [step.facts, step.typical].map((facts) => Object.fromEntries(Object.entries(flat(facts)).filter(([name]) => !place.has(name))));
  const other = phrases(differing(usual, mine));
  return phrases(mine) + (other ? `; typical: ${other}` : "");
}
