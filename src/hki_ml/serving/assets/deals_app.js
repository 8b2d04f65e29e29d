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
    // What can go wrong is of use without the other, and the other way round.
    const [match, risk] = await Promise.allSettled([call("/match-investors", { leadId }, mine.signal), call("/assess-risk", { leadId }, mine.signal)]);
    if (match.status === "rejected") throw match.reason;
    if (risk.status === "rejected") tell(risk.reason); else $("trouble").replaceChildren();
    const risks = risk.value || null;
    $("card").replaceChildren(...[dealHead(leadId, match.value, risks), matchTable(match.value), risks ? riskCard(risks) : null, alternativeTable(match.value), whyNotForm(leadId)].filter(Boolean));
    $("card").hidden = false;
    showMatchMap(match.value);
    say(`${leadId}: ${match.value.matches.length} investors${risks ? `, risk ${risks.band}` : ""}`);
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
$("plan").addEventListener("submit", planOffers);
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
