// The page's one state: which deal and which investor are open; and what happens on keys and clicks.
let opening = null;
let visiting = null;

const say = (text) => { $("said").textContent = text; };

function tell(error) {
  const problem = error.problem || { title: "Something went wrong on this page", detail: error.message };
  $("trouble").replaceChildren(make("section", { class: "card trouble" }, make("h2", {}, problem.title || "No answer"), make("p", {}, problem.detail || ""),
    problem.requestId ? make("p", { class: "hint" }, `Request ${problem.requestId}`) : null));
}

async function open(leadId, focus) {
  if (opening) opening.abort();
  const mine = (opening = new AbortController());
  selected = leadId;
  rows();
  window.history.replaceState(null, "", `#${encodeURIComponent(leadId)}`);
  try {
    const match = await call("/match-investors", { leadId }, mine.signal);
    $("trouble").replaceChildren();
    $("card").replaceChildren(...[dealHead(leadId, match), matchTable(match), alternativeTable(match), whyNotForm(leadId)].filter(Boolean));
    $("card").hidden = false;
    showMatchMap(match);
    say(`${leadId}: ${match.matches.length} investors`);
    if (focus) $("card").focus();
  } catch (error) {
    if (error.name === "AbortError") return;
    $("card").hidden = true;
    $("map-card").hidden = true;
    tell(error);
  }
}

async function openInvestor(id, focus) {
  if (visiting) visiting.abort();
  const mine = (visiting = new AbortController());
  try {
    $("investor").replaceChildren(investorCard(id, await call(`/investors/${encodeURIComponent(id)}`, undefined, mine.signal)));
    $("investor").hidden = false;
    if (focus) { $("investor").focus(); $("investor").scrollIntoView({ block: "nearest" }); }
  } catch (error) {
    if (error.name !== "AbortError") tell(error);
  }
}

let typing = null;
for (const id of FILTERS) $(id).addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => list(false), 200); });
$("filters").addEventListener("submit", (event) => { event.preventDefault(); list(false); });
$("more").addEventListener("click", () => list(true));
$("zoom-in").addEventListener("click", () => zoomMap(1.5));
$("zoom-out").addEventListener("click", () => zoomMap(1 / 1.5));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); $("query").focus(); }
  if (event.key === "Escape" && [$("card"), $("investor")].includes(document.activeElement)) document.querySelector("#list [aria-selected=true]")?.focus();
});
let wanted = "";
try { wanted = decodeURIComponent(window.location.hash.slice(1)); } catch { /* no deal's link: the best opens */ }
list(false).then(() => { const first = wanted || leads[0]?.leadId; if (first) open(first); });
