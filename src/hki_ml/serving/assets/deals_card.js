// One deal's cards: who should see it and why, who else would, what can go wrong; and one investor's deals.
const factor = (value) => `${value >= 0 ? "×" : "÷"} ${Math.exp(Math.abs(value)).toFixed(2)}`;
const orUnknown = (value, told) => (value === null || value === undefined ? "unknown" : told(value));
const bandClass = { Low: "badge", Medium: "badge warm", High: "badge risk-high" };

function dealHead(id, data, risk) {
  const { deal } = data;
  return make("section", { class: "card", "aria-labelledby": "deal-title" },
    make("h2", { id: "deal-title" }, id),
    make("p", { class: "hint" }, [data.propertyId, deal.area && `area ${deal.area}`, deal.propertyType && words(deal.propertyType).toLowerCase(), deal.condition && words(deal.condition).toLowerCase()].filter(Boolean).join(" · ")),
    make("dl", { class: "marks" }, mark("Price", orUnknown(deal.priceUsd, usd)), mark("Our value", orUnknown(deal.valueUsd, usd)),
      ...(risk ? [mark("Falls through", percent(risk.fallThroughProbability, 1)), mark("Expected loss", usd(risk.expectedLossUsd)), mark("1 in 20 loses", usd(risk.tailLossUsd))] : []),
      mark("Investors whose criteria it meets", `${numberFormat.format(data.admitted)} of ${numberFormat.format(data.asked)}`)),
    data.degraded ? make("p", { class: "notes" }, `Degraded: ${words(data.fallbackLevel).toLowerCase()}`) : null,
    make("p", { class: "hint" }, `Matching version ${data.modelVersion || "–"}, prediction ${data.predictionId}.`));
}

function matchTable(data) {
  if (!data.matches.length) return section("Who should see it", make("p", {}, "Nobody whose criteria this deal meets has capacity left."));
  return section("Who should see it", make("div", { class: "scroll" }, make("table", { class: "matches" }, make("caption", { class: "visually-hidden" }, "Investors by the chance of a positive answer"),
    heads("", "Investor", "Chance", "Why"),
    make("tbody", {}, ...data.matches.map((match, at) => make("tr", { "data-rank": String(at + 1) },
      cell(make("span", { class: "dot" }, String(at + 1))), make("th", { scope: "row" }, make("button", { type: "button", class: "quiet", "data-investor": match.investorId, onclick: () => openInvestor(match.investorId, true) }, match.investorId)),
      cell(percent(match.probability, 1)),
      make("td", { class: "facts-cell" }, make("ul", {}, ...match.reasons.slice(0, 4).map((reason) => make("li", { class: tone(reason.logOdds) }, `${factor(reason.logOdds)} ${reason.text}`))),
        make("details", {}, make("summary", {}, "Every factor"), make("ul", {}, ...match.reasons.map((reason) => make("li", {}, `${words(reason.factor)} ${reason.logOdds.toFixed(2)}: ${reason.text}`)))))))))),
    make("p", { class: "hint" }, "A positive answer is a question, a tour or an offer. Factors multiply (×) or divide (÷) the odds; together with the typical one they give the chance."));
}

function alternativeTable(data) {
  if (!data.alternatives.length) return null;
  return section("Who else would", make("div", { class: "scroll" }, make("table", {}, heads("Investor", "Chance", "What would admit them"),
    make("tbody", {}, ...data.alternatives.map((each) => make("tr", {}, make("th", { scope: "row" }, make("button", { type: "button", class: "quiet", onclick: () => openInvestor(each.investorId, true) }, each.investorId)),
      cell(orUnknown(each.score, (score) => percent(score / 100, 1))), cell(each.wouldAdmit.join("; ") || "a place among the first", { class: "facts-cell" })))))));
}

function riskCard(risk) {
  return section("What can go wrong", make("p", {}, make("span", { class: bandClass[risk.band] }, risk.band), ` Falls through in ${percent(risk.fallThroughProbability, 1)} of deals like it; expected loss ${usd(risk.expectedLossUsd)}, in the worst twentieth ${usd(risk.tailLossUsd)}.`),
    make("div", { class: "scroll" }, make("table", { class: "risks" }, heads("Risk", "0–100", "Why", "From"),
      make("tbody", {}, ...risk.subScores.map((each) => make("tr", {}, make("th", { scope: "row" }, words(each.name)), cell(Math.round(each.score).toString()),
        cell(each.reasons.join("; ") || "nothing known against it", { class: "facts-cell" }), cell(each.provenance || "–", { class: "facts-cell" })))))),
    make("p", { class: "hint" }, `Risk version ${risk.modelVersion || "–"}, prediction ${risk.predictionId}.`));
}

function whyNotForm(id) {
  const answer = make("p", { id: "why-answer", role: "status" });
  const box = make("input", { id: "why-id", maxlength: "200", spellcheck: "false" });
  const ask = async (event) => {
    event.preventDefault();
    if (!box.value.trim()) return;
    try {
      const { whyNot } = await call("/match-investors", { leadId: id, whyNot: box.value.trim() });
      answer.textContent = whyNot ? `${whyNot.investorId}: ${whyNot.reasons.join("; ") || "is among the matches"}${whyNot.rank ? ` (rank ${whyNot.rank})` : ""}` : "no answer";
    } catch (error) { answer.textContent = error.message; }
  };
  return section("Why not …", make("form", { class: "filters", id: "why", onsubmit: ask, novalidate: true }, make("div", { class: "field grow" }, make("label", { for: "why-id" }, "Investor"), box),
    make("button", { type: "submit", class: "secondary" }, "Ask")), answer);
}

function showMatchMap(data) {
  const { latitude, longitude } = data.deal;
  const points = data.matches.flatMap((match, at) => (match.earlier || []).map((each) => ({ ...each, rank: at + 1, propertyId: match.investorId, distanceKm: null, weight: 0.1 })));
  const hasHome = latitude !== null && longitude !== null;
  $("map-card").hidden = !points.length;
  if (!points.length) return;
  Object.assign(MAP, { points, hasHome, home: hasHome ? { latitude, longitude } : points[0] });
  fitMap();
}

function investorCard(id, data) {
  const told = data.known;
  return make("section", { class: "card" }, make("h2", { id: "investor-title" }, id),
    make("dl", { class: "marks" }, mark("Answers well", orUnknown(told.investorResponseRate, (rate) => percent(rate, 1))), mark("Buys", orUnknown(told.investorCloseRate, (rate) => percent(rate, 1))),
      mark("Average deal", orUnknown(told.investorAverageDealSize, usd)), mark("Shown so far", orUnknown(told.investorOffersCount, (count) => numberFormat.format(count)))),
    make("p", { class: "hint" }, told.criteria.length ? `Buys: ${told.criteria.join("; ")}.` : "Said nothing of what they buy."),
    make("h3", {}, "Deals that suit"),
    data.deals.length ? make("div", { class: "scroll" }, make("table", {}, heads("Deal", "Chance", "Price", "Area"),
      make("tbody", {}, ...data.deals.map((deal) => make("tr", {}, make("th", { scope: "row" }, make("button", { type: "button", class: "quiet", onclick: () => open(deal.leadId, true) }, deal.leadId)),
        cell(percent(deal.probability, 1)), cell(orUnknown(deal.priceUsd, usd)), cell(deal.area || "–")))))) : make("p", {}, "No open deal meets their criteria now."));
}
