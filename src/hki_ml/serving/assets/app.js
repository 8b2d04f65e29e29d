// The page's one state: which home, which sales are pinned or excluded; and asking for its value.
const choice = { pin: new Set(), exclude: new Set() };
let homeId = null;
let asking = null;
let shownData = null;
let drawnWidth = 0;

const say = (text) => { $("said").textContent = text; };

function tell(error) {
  const problem = error.problem || { title: "Something went wrong on this page", detail: error.message };
  const rest = (problem.errors || []).filter((fault) => !faultAt(fault.pointer, fault.reason));
  $("trouble").replaceChildren(make("section", { class: "card trouble" }, make("h2", {}, problem.title || "No answer"), make("p", {}, problem.detail || ""),
    rest.length ? make("ul", {}, ...rest.map((fault) => make("li", {}, `${fault.pointer || "request"}: ${fault.reason}`))) : null,
    problem.requestId ? make("p", { class: "hint" }, `Request ${problem.requestId}`) : null));
  const first = document.querySelector("[aria-invalid=true]");
  if (first) first.focus();
}

function request() {
  const number = (id) => ($(id).value.trim() === "" ? undefined : Number($(id).value));
  const body = { comparables: { pin: [...choice.pin], exclude: [...choice.exclude], radiusKm: number("radius"), months: number("months"), count: number("count") } };
  if ($("as-of").value) body.asOf = $("as-of").value;
  const terms = typedTerms();
  if (terms) body.investment = terms;
  if (homeId === null) return { ...body, facts: allFacts() };
  const overrides = changedFacts();
  return Object.keys(overrides).length ? { ...body, propertyId: homeId, overrides } : { ...body, propertyId: homeId };
}

async function value(focus) {
  clearFaults();
  if (unreadable()) return;
  if (asking) asking.abort();
  const mine = (asking = new AbortController());
  document.body.classList.add("busy");
  $("go").setAttribute("aria-disabled", "true");
  $("trouble").replaceChildren();
  try {
    const data = await call("/value-property", request(), mine.signal);
    show(data);
    if (focus) $(focus === true ? "result" : focus)?.focus({ preventScroll: focus !== true });
  } catch (error) {
    if (error.name === "AbortError") return;
    $("result").hidden = true;
    tell(error);
  } finally {
    if (asking === mine) {
      document.body.classList.remove("busy");
      $("go").removeAttribute("aria-disabled");
    }
  }
}

function show(data) {
  shownData = data;
  $("result").hidden = false;
  showValue(data);
  showMap(data);
  showGrid(data, act);
  showDrivers(data);
  showDeal(data);
  $("signed").textContent = `Prediction ${data.predictionId}, model ${data.modelVersion}, computed ${data.computedAt}` +
    (data.featureAgeSeconds === null ? "" : `, facts ${age(data.featureAgeSeconds)} old`);
  say(data.noEstimate ? `No estimate: ${data.noEstimate.reasons.join("; ")}` : `Estimated value ${usd(data.estimatedValue)}, 80 percent interval ${usd(data.intervals.p80.low)} to ${usd(data.intervals.p80.high)}.`);
  const link = new URLSearchParams(homeId === null ? {} : { home: homeId, ...($("as-of").value ? { asOf: $("as-of").value } : {}) });
  history.replaceState(null, "", homeId === null ? location.pathname : `#${link}`);
}

function redraw() {
  if (!shownData || $("result").hidden || innerWidth === drawnWidth) return;
  drawnWidth = innerWidth;
  showValue(shownData);
  if (!$("map-card").hidden) fitMap();
}

const age = (seconds) => seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : seconds < 172800 ? `${Math.round(seconds / 3600)} h` : seconds < 6.3e7 ? `${Math.round(seconds / 86400)} days` : `${(seconds / 31556952).toFixed(1)} years`;

function act(what, sale) {
  if (what === "pin") { if (sale.pinned) choice.pin.delete(sale.saleId); else choice.pin.add(sale.saleId); }
  else { choice.pin.delete(sale.saleId); choice.exclude.add(sale.saleId); }
  value(what === "pin" ? `pin-${sale.rank}` : "grid-title");
}

async function chooseHome(id) {
  clearFaults();
  $("trouble").replaceChildren();
  choice.pin.clear();
  choice.exclude.clear();
  try {
    const data = await call(`/properties/${encodeURIComponent(id)}`);
    homeId = data.propertyId;
    $("search").value = homeId;
    setFacts(data.facts);
  } catch (error) {
    $("result").hidden = true;
    return tell(error);
  }
  return value(true);
}

function emptyForm() {
  homeId = null;
  $("search").value = "";
  setFacts({});
  $("facts-box").open = true;
  choice.pin.clear();
  choice.exclude.clear();
  $("facts").querySelector("input, select")?.focus();
}

async function start() {
  startSearch(chooseHome);
  $("grid-title").tabIndex = -1;
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const wanted = $("search").value.trim();
    if (wanted && wanted !== homeId) chooseHome(wanted);
    else { if (!wanted) homeId = null; value(true); }
  });
  $("terms").addEventListener("submit", (event) => { event.preventDefault(); value("deal-title"); });
  $("deal-title").tabIndex = -1;
  $("clear").addEventListener("click", emptyForm);
  $("undo").addEventListener("click", () => { setFacts(storedFacts); $("facts-box").querySelector("summary").focus(); });
  $("restore").addEventListener("click", () => { choice.pin.clear(); choice.exclude.clear(); value("grid-title"); });
  $("print").addEventListener("click", () => print());
  $("zoom-in").addEventListener("click", () => zoomMap(1.5));
  $("zoom-out").addEventListener("click", () => zoomMap(1 / 1.5));
  $("zoom-all").addEventListener("click", fitMap);
  addEventListener("resize", redraw);
  buildFacts([]);
  setFacts({});
  const link = new URLSearchParams(location.hash.slice(1));
  try {
    const model = await call("/models/valuation");
    describe(model);
  } catch (error) {
    tell(error);
  }
  if (link.get("asOf")) $("as-of").value = link.get("asOf");
  if (link.get("home")) { $("search").value = link.get("home"); chooseHome(link.get("home")); }
}

function describe(model) {
  const serving = model.serving;
  const today = new Date().toISOString().slice(0, 10);
  $("as-of").max = today;
  if (!serving) {
    $("model-line").textContent = "No model is loaded yet.";
    return;
  }
  buildFacts(serving.facts);
  setFacts({});
  const latest = serving.latest.slice(0, 10);
  $("as-of").value = latest < today ? latest : today;
  $("model-line").textContent = `Model ${serving.version}, knows sales up to ${day(serving.latest)}` + (serving.degraded ? ", from the cache" : "");
}

start();
