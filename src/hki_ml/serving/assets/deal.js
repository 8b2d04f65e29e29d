// The home as an investment: figures, and the terms that they assume, to be edited.
const TERMS = [
  ["rehabCostUsd", "Cost of the works, USD", 1, 0, 1e8, 1000], ["rehabCostSdShare", "Its uncertainty, %", 100, 0, 200, "any"],
  ["holdingMonths", "Months until resale", 1, 0, 120, "any"], ["holdingCostRate", "Carrying cost a month, % of offer", 100, 0, 20, "any"],
  ["sellingCostRate", "Selling cost, % of resale", 100, 0, 50, "any"], ["targetMarginRate", "Profit wanted, % of resale", 100, 0, 90, "any"],
  ["lossProbability", "Accepted chance of a loss, %", 100, 1, 50, "any"],
  ["sellerMinimumRate", "What the typical seller takes, % of worth", 100, 10, 200, "any"], ["sellerMinimumSd", "Its spread over sellers, %", 100, 2, 300, "any"],
];

function showDeal(data) {
  const deal = data.investment;
  $("deal-card").hidden = deal === null;
  if (deal === null) return;
  $("deal-figures").replaceChildren(...[
    ["lead", "Offer at most", deal.maximumAllowableOfferUsd > 0 ? usd(deal.maximumAllowableOfferUsd) : "no offer keeps to these terms"],
    ["", "Value after repair", usd(deal.afterRepairValueUsd)],
    ["", "80 % range after repair", `${usd(deal.afterRepair.low)} – ${usd(deal.afterRepair.high)}`],
    ["", "Renovation potential", usd(deal.renovationPotentialUsd)],
    ["", "Expected profit at that offer", usd(deal.expectedProfitUsd)],
    ["", "Chance of a loss at that offer", percent(deal.probabilityOfLoss, 1)],
    ["", "Chance that it is accepted", percent(deal.acceptanceProbability, 1)],
    ["", "Left out for the winner's curse", usd(deal.winnersCurseUsd)],
    ["", "Simulated deals", numberFormat.format(deal.draws)],
  ].map(([name, term, text]) => make("div", { class: name }, make("dt", {}, term), make("dd", {}, text))));
  $("terms-fields").replaceChildren(...TERMS.map(([name, title, factor, min, max, step]) => make("div", { class: "field" }, make("label", { for: `term-${name}` }, title),
    make("input", { id: `term-${name}`, type: "number", min, max, step, value: String(Number((deal.terms[name] * factor).toFixed(6))) }))));
}

function typedTerms() {
  if (!$("term-rehabCostUsd")) return undefined;
  const terms = {};
  for (const [name, , factor] of TERMS) {
    const text = $(`term-${name}`).value.trim();
    if (text !== "") terms[name] = Number(text) / factor;
  }
  return terms;
}
