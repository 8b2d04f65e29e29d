// How the models do: what stands, what was measured, what is unknown.
const say = (text) => { $("said").textContent = text; };
const WORD = { ok: "good", alarm: "alarm", unknown: "unknown" };
const state = (value) => make("span", { class: `state ${value}` }, WORD[value]);
const figure = (value) => (value === null || value === undefined ? "–" : Number(value).toPrecision(3));
const spread = (each) => (each.lower === null || each.lower === undefined ? figure(each.value) : `${figure(each.value)} [${figure(each.lower)}, ${figure(each.upper)}]`);
const table = (titles, rows) => make("div", { class: "scroll" }, make("table", {}, heads(...titles), make("tbody", {}, ...rows)));
const row = (...cells) => make("tr", {}, ...cells.map((each) => (each instanceof Node ? make("td", {}, each) : cell(each))));

function tell(error) {
  const problem = error.problem || { title: "Something went wrong on this page", detail: error.message };
  $("trouble").replaceChildren(make("section", { class: "card trouble" }, make("h2", {}, problem.title || "No answer"), make("p", {}, problem.detail || "")));
}

function spark(points) {
  const known = points.filter((point) => point.value !== null);
  if (known.length < 2) return null;
  const [wide, high, pad] = [640, 120, 18];
  const low = Math.min(...known.map((p) => p.lower ?? p.value)), top = Math.max(...known.map((p) => p.upper ?? p.value));
  const x = (i) => pad + (i / (known.length - 1)) * (wide - 2 * pad);
  const y = (v) => pad + (1 - (v - low) / Math.max(top - low, 1e-9)) * (high - 2 * pad);
  const edge = (name, list) => list.map((p, i) => `${x(known.indexOf(p))},${y(p[name] ?? p.value)}`).join(" ");
  return draw("svg", { class: "spark", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": known.map((p) => `${day(p.at)} ${spread(p)}`).join("; ") },
    draw("polygon", { class: "band", points: `${edge("lower", known)} ${edge("upper", [...known].reverse())}` }),
    draw("polyline", { class: "line", points: edge("value", known) }),
    ...known.map((p, i) => draw("circle", { class: "spot", cx: x(i), cy: y(p.value), r: 3 })),
    draw("text", { x: pad, y: high - 3 }, day(known[0].at)), draw("text", { x: wide - pad, y: high - 3, "text-anchor": "end" }, day(known.at(-1).at)));
}

function histories(points) {
  const names = [...new Set(points.map((point) => point.subject))];
  return names.flatMap((name) => {
    const drawn = spark(points.filter((point) => point.subject === name));
    return drawn ? [make("h3", {}, `${name} of what came true`), drawn] : [];
  });
}

function checks(list) {
  if (!list.length) return make("p", { class: "hint" }, "Nothing was looked at yet: run the monitor (python -m flows.monitor).");
  const order = { alarm: 0, ok: 1, unknown: 2 };
  const told = [...list].sort((a, b) => order[a.state] - order[b.state]);
  const rows = told.map((each) => row(state(each.state), words(each.kind), each.subject, spread(each), figure(each.reference), figure(each.threshold), numberFormat.format(each.n),
    each.rawSignal ? "beyond" : each.rawSignal === null ? "–" : "within", `${day(each.windowStart)} – ${day(each.windowEnd)}`));
  const shut = told.filter((each) => each.state === "alarm").length === 0;
  return make("details", { open: !shut }, make("summary", {}, `${list.length} checks: ${["alarm", "ok", "unknown"].map((s) => `${list.filter((e) => e.state === s).length} ${WORD[s]}`).join(", ")}`),
    table(["", "Kind", "What", "Value [95 %]", "Before", "Line", "n", "Plain threshold", "Window"], rows));
}

const incidents = (list) => (list.length ? [make("h3", {}, "Incidents"), table(["Since", "What", "To do", "Stands"], list.map((each) => row(day(each.since), each.reason, words(each.route), words(each.state))))] : []);

function card(each) {
  const { champion } = each;
  const figures = champion ? Object.entries(champion.figures).slice(0, 6).map(([name, value]) => `${name} ${figure(value)}`).join(", ") : "";
  return make("section", { class: "card", id: `model-${each.model}` }, make("h2", {}, `${words(each.model)} `, state(each.state)),
    make("p", {}, champion ? `Version ${champion.version}${champion.since ? ` since ${day(champion.since)}` : ""}${champion.knowsUntil ? `, knows what was known on ${day(champion.knowsUntil)}` : ""}. In its trial: ${figures}. ` : "No version serves. ",
      champion ? make("a", { href: `/api/v1/ml/models/${each.model}/card` }, "Card, with intervals") : null),
    each.experiment ? make("p", {}, `Experiment ${each.experiment.name}: version ${each.experiment.challenger} answers ${percent(each.experiment.share)} since ${day(each.experiment.since)}.`) : null,
    ...incidents(each.incidents), ...histories(each.history), make("h3", {}, "Looked at"), checks(each.checks),
    ...(each.decisions.length ? [make("h3", {}, "Decisions"), table(["When", "What", "Version", "Why"], each.decisions.map((d) => row(day(d.at), d.decision, d.version, d.reasons.join("; "))))] : []));
}

function runs(told) {
  if (told.unknownBecause) return [make("p", {}, "Unknown: ", told.unknownBecause)];
  const order = { alarm: 0, unknown: 1, ok: 2 };
  return [table(["", "Flow", "Last ended", "How"], [...told.latest].sort((a, b) => order[a.state] - order[b.state]).map((each) => row(state(each.state), each.deployment,
    each.endedAt ? `${day(each.endedAt)}, ${each.endedAt.slice(11, 16)} UTC` : "unknown", each.said)))];
}

async function look() {
  try {
    const data = await call("/health");
    $("model-line").textContent = `As of ${day(data.computedAt)}`;
    $("overview").replaceChildren(table(["Model", "", "Version", "Open incidents"], data.models.map((each) => row(make("a", { href: `#model-${each.model}` }, words(each.model)), state(each.state),
      each.champion ? each.champion.version : "none", String(each.incidents.length)))));
    $("data").replaceChildren(make("p", {}, "Data: ", state(data.dataState)), ...incidents(data.dataIncidents), make("h3", {}, "How fresh"),
      table(["What", "Newest", "Hours ago"], data.freshness.map((each) => row(each.what, each.newestAt ? day(each.newestAt) : "unknown", each.hours === null ? "unknown" : numberFormat.format(each.hours)))), checks(data.data));
    $("runs").replaceChildren(...runs(data.runs));
    $("models").replaceChildren(...data.models.map(card));
    say(`${data.models.length} models: ${data.models.filter((each) => each.state === "alarm").length} with an alarm`);
    $("trouble").replaceChildren();
  } catch (error) {
    tell(error);
  }
}

look();
setInterval(look, 60000);
