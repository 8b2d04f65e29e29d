// One lead's card: what it scores, why, what to do, how it came here, and when it ends.
const signedPoints = (points, digits = 1) => (points > 0 ? "+" : "") + points.toFixed(digits).replace("-", "−");

function headline(id, score) {
  const about = score.estimatedTimeToClose === null ? "–" : `${score.estimatedTimeToClose} days`;
  const notes = score.degraded ? make("p", { class: "notes" }, `Degraded: ${words(score.fallbackLevel).toLowerCase()}`) : null;
  return make("section", { class: "card", "aria-labelledby": "lead-title" },
    make("div", { class: "lead-head" },
      make("div", {}, make("h2", { id: "lead-title" }, id), make("p", { class: "value" }, String(score.score), make("small", {}, " of 100")), make("p", { class: "call" }, words(score.recommendation.replace(/-/g, "_")))),
      make("dl", { class: "marks" }, mark("Closes within 90 days", percent(score.predictedConversion, 1)),
        mark("A typical lead", score.typicalConversion === null ? "–" : percent(score.typicalConversion, 1)), mark("If it closes, after about", about), mark("Confidence", percent(score.confidence)))),
    notes, make("p", { class: "hint" }, `10 points double the odds; 50 points are odds of 1 to 9. Version ${score.modelVersion || "–"}, prediction ${score.predictionId}.`));
}

function reasons(score) {
  const most = Math.max(...score.drivers.map((driver) => Math.abs(driver.scorePoints)), 1);
  return section("Why", make("div", { class: "scroll" }, make("table", { class: "drivers" }, make("caption", { class: "visually-hidden" }, "Points that each factor adds to a typical lead's score"),
    heads("Factor", "", "Points", "What it is"),
    make("tbody", {}, ...score.drivers.map((driver) => make("tr", {}, make("th", { scope: "row" }, words(driver.factor)),
      make("td", { class: "bar" }, pointsBar(driver.scorePoints, most)), cell(signedPoints(driver.scorePoints), { class: tone(driver.scorePoints) }), cell(driver.text, { class: "facts-cell" })))))));
}

function actions(score) {
  if (!score.actions.length) return null;
  return section("What to do", make("div", { class: "scroll" }, make("table", { class: "acts-table" }, heads("Action", "What it would mean", "Score", "Chance of closing", "Evidence"),
    make("tbody", {}, ...score.actions.map((act) => make("tr", {}, make("th", { scope: "row" }, words(act.action.replace(/-/g, "_"))), cell(act.text),
      cell(signedPoints(act.scoreChange), { class: tone(act.scoreChange) }), cell(`${signedPoints(act.probabilityChange * 100)} %-points`), cell(act.kind)))))),
    make("p", { class: "hint" }, "Correlational: leads on which it was done closed more often. Whether doing it helps is another question."));
}

function history(card) {
  if (card.history.length < 1) return null;
  const told = (event) => words(event.replace("lead.", "").replace(".", "_"));
  const named = (point, i) => point.events.length ? point.events.map(told).join(", ") : i === card.history.length - 1 ? "Now" : "Source, home and market as known that night";
  const steps = card.history.map((point, i) => make("tr", {}, cell(day(point.at)), cell(named(point, i)),
    cell(point.timeDecay === null ? "" : signedPoints(point.timeDecay), { class: tone(point.timeDecay || 0) }), cell(point.features === null ? "" : signedPoints(point.features), { class: tone(point.features || 0) }), cell(point.score.toFixed(1))));
  const older = card.answered.map((answer) => make("tr", {}, cell(day(answer.at)), cell(`Version ${answer.version} said ${answer.score}`), cell(""), cell(""), cell(`${signedPoints(answer.modelVersion)} by the model's change`)));
  return section("Score over time", scoreChart(card.history), make("details", {}, make("summary", {}, `Every step (${card.history.length})`),
    make("div", { class: "scroll" }, make("table", { class: "steps" }, heads("When", "What happened", "Time passing", "What happened adds", "Score"), make("tbody", {}, ...steps, ...older)))),
    make("p", { class: "hint" }, "Each change is split exactly: what time alone did since the step before, and what was learned at it. Scores here are not clipped to 0–100."));
}

function outlook(conversion, time) {
  const stages = conversion.stages.length ? make("details", {}, make("summary", {}, "Stages"), make("table", {}, heads("From", "To", "Probability"),
    make("tbody", {}, ...conversion.stages.map((stage) => make("tr", {}, make("th", { scope: "row" }, words(stage.from)), cell(words(stage.to)), cell(percent(stage.probability, 1))))))) : null;
  const span = (days) => (days === null ? "never, more likely" : `${Math.round(days)} days`);
  const faster = time.accelerationOpportunities.length ? make("details", {}, make("summary", {}, "What could hasten it"), make("ul", {}, ...time.accelerationOpportunities.map((each) => make("li", {}, each.text || words(each.action || ""))))) : null;
  return make("div", { class: "two" },
    section("Odds of closing by", oddsChart(conversion.horizons), stages),
    time.distribution.length ? section("How it ends over time", endsChart(time.distribution),
      make("p", { class: "hint" }, make("span", { class: "key k-closed" }), "closed ", make("span", { class: "key k-lost" }), "lost, the rest is open"),
      make("dl", { class: "marks" }, mark("If it closes, half by", span(time.medianDays)), mark("Never closes", percent(time.neverProbability))), faster) : null);
}

const HIDDEN = new Set(["leadMomentsJson", "leadFactsJson", "leadCreatedAtUs", "eventTimestamp"]);

function known(card) {
  const facts = card.known.leadFactsJson ? JSON.parse(card.known.leadFactsJson) : {};
  const rows = [["Came", day(new Date(card.known.leadCreatedAtUs / 1000).toISOString())], ...Object.entries(card.known).filter(([name, value]) => !HIDDEN.has(name) && value !== null).map(([name, value]) => [words(name), worded(name, value)]),
    ...Object.entries(facts).map(([name, value]) => [words(name), shown(name, value)])];
  return section("What is known", make("dl", { class: "known" }, ...rows.map(([name, value]) => mark(name, value))));
}

function worded(name, value) {
  if (/Usd$|ValueEstimate$/.test(name)) return usd(value);
  if (/Rate$|Quality$|Fsd$/.test(name)) return percent(value, 1);
  if (/YearBuilt$/.test(name)) return String(Math.round(value));
  return shown(name, value);
}

function recordTable(title, bands) {
  const told = (band) => (band.n ? `${band.closedPercent.toFixed(1)} % [${Math.max(0, band.low).toFixed(1)}, ${band.high.toFixed(1)}]` : "unknown");
  return make("div", {}, make("h3", {}, title), make("table", {}, heads("Score", "Leads", "Closed in 90 days"),
    make("tbody", {}, ...bands.map((band) => make("tr", {}, make("th", { scope: "row" }, `${band.from}–${band.to}`), cell(numberFormat.format(band.n)), cell(told(band)))))));
}
