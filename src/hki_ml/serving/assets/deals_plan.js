// All open deals at once: who is offered which, beside what deal after deal would bring.
const ordinal = (turn) => (turn === 1 ? "first" : `${turn}${["th", "st", "nd", "rd"][turn % 10 < 4 && Math.floor(turn / 10) !== 1 ? turn % 10 : 0]}`);

function placedRows(deal) {
  const head = make("tr", {}, make("th", { scope: "rowgroup", colspan: "4" },
    make("button", { type: "button", class: "quiet", onclick: () => open(deal.leadId, true) }, deal.leadId),
    make("span", { class: "hint" }, ` ${[deal.area && `area ${deal.area}`, deal.priceUsd && usd(deal.priceUsd)].filter(Boolean).join(", ")}`)));
  if (!deal.offers.length) return [head, make("tr", {}, cell(deal.why, { colspan: "4", class: "facts-cell" }))];
  return [head, ...deal.offers.map((offer) => make("tr", {},
    make("td", {}, make("button", { type: "button", class: "quiet", onclick: () => openInvestor(offer.investorId, true) }, offer.investorId)),
    cell(ordinal(offer.turn)), cell(percent(offer.probability, 1)),
    cell(offer.reasons.slice(0, 3).map((reason) => `${reason.factor} ${factor(reason.logOdds)}`).join(", "), { class: "facts-cell" })))];
}

async function planOffers(event) {
  event.preventDefault();
  $("plan-go").disabled = true;
  try {
    const data = await call("/match-portfolio", { offersPerDeal: Number($("offersPerDeal").value) });
    const gain = data.expectedOneByOne > 0 ? data.expectedPositives / data.expectedOneByOne - 1 : 0;
    $("planned").replaceChildren(
      make("p", {}, data.deals.length ? `${numberFormat.format(data.offers)} offers of ${numberFormat.format(data.deals.length)} deals, ${data.expectedPositives.toFixed(1)} positive answers expected; deal after deal ${data.expectedOneByOne.toFixed(1)} (${gain >= 0 ? "+" : "−"}${percent(Math.abs(gain), 1)}).` : "No deal is open: no lead has an offer or a contract."),
      ...(data.atCapacity.length ? [make("p", { class: "hint" }, `${numberFormat.format(data.atCapacity.length)} investors get as many as they can take this month.`)] : []),
      ...(data.deals.length ? [make("div", { class: "scroll" }, make("table", { class: "matches planned" }, make("caption", { class: "visually-hidden" }, "Offers by deal, the likeliest first"),
        heads("Investor", "Their offer", "Chance", "Why"), ...data.deals.map((deal) => make("tbody", {}, ...placedRows(deal)))))] : []),
      make("p", { class: "hint" }, "Each further offer of the same day makes an investor less likely to answer; the chances count that."));
    $("plan-card").hidden = false;
    $("plan-card").focus();
    say(`${data.offers} offers planned`);
    $("trouble").replaceChildren();
  } catch (error) {
    tell(error);
  } finally {
    $("plan-go").disabled = false;
  }
}
