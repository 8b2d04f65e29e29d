// The page's one state: which lead is open; and what happens on keys and clicks.
let opening = null;

const say = (text) => { $("said").textContent = text; };

function tell(error) {
  const problem = error.problem || { title: "Something went wrong on this page", detail: error.message };
  $("trouble").replaceChildren(make("section", { class: "card trouble" }, make("h2", {}, problem.title || "No answer"), make("p", {}, problem.detail || ""),
    ...(problem.errors || []).map((fault) => make("p", {}, `${fault.pointer || "request"}: ${fault.reason}`)),
    problem.requestId ? make("p", { class: "hint" }, `Request ${problem.requestId}`) : null));
}

async function open(leadId, focus) {
  if (opening) opening.abort();
  const mine = (opening = new AbortController());
  selected = leadId;
  rows();
  window.history.replaceState(null, "", `#${encodeURIComponent(leadId)}`);
  try {
    const body = { leadId };
    const [score, card] = await Promise.all([call("/score-lead", body, mine.signal), call(`/leads/${encodeURIComponent(leadId)}`, undefined, mine.signal)]);
    const [conversion, time] = await Promise.all([call("/predict-conversion", body, mine.signal), call("/predict-time-to-close", body, mine.signal)]);
    $("trouble").replaceChildren();
    $("card").replaceChildren(...[headline(leadId, score), score.drivers.length ? reasons(score) : null, actions(score), history(card), outlook(conversion, time), known(card)].filter(Boolean));
    $("card").hidden = false;
    say(`${leadId}: score ${score.score}, ${words(score.recommendation.replace(/-/g, "_"))}`);
    if (focus) $("card").focus();
  } catch (error) {
    if (error.name === "AbortError") return;
    $("card").hidden = true;
    tell(error);
  }
}

async function record() {
  try {
    const data = await call("/track-record");
    const trial = data.trial ? trialBands(data.trial.bands) : [];
    $("record").replaceChildren(make("p", { class: "hint" }, "Live: scores that were given and whose 90 days have passed. Trial: leads later than all that the model had learned from."),
      make("div", { class: "two" }, recordTable("Live", data.live), ...(trial.length ? [recordTable(`Trial of version ${data.modelVersion}`, trial)] : [])));
    $("record-card").hidden = false;
  } catch (error) {
    if (error.name !== "AbortError") $("record-card").hidden = true;
  }
}

function trialBands(bands) {
  return Object.entries(bands).map(([name, band]) => {
    const [from, to] = name.match(/\d+/g).map(Number);
    const closed = Object.entries(band).find(([key]) => key.startsWith("closed"))[1];
    const scale = closed.value <= 1 && (closed.high === undefined || closed.high <= 1) ? 100 : 1;
    return { from, to, n: band.n, closedPercent: closed.value * scale, low: closed.low * scale, high: closed.high * scale };
  }).sort((a, b) => b.from - a.from);
}

let typing = null;
for (const id of FILTERS) $(id).addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => list(false), 200); });
$("filters").addEventListener("submit", (event) => { event.preventDefault(); list(false); });
$("plan").addEventListener("submit", plan);
$("more").addEventListener("click", () => list(true));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); $("query").focus(); }
  if (event.key === "Escape" && document.activeElement === $("card")) document.querySelector("#list [aria-selected=true]")?.focus();
});
let wanted = "";
try { wanted = decodeURIComponent(window.location.hash.slice(1)); } catch { /* no lead's link: the best opens */ }
list(false).then(() => { const first = wanted || leads[0]?.leadId; if (first) open(first); });
record();
