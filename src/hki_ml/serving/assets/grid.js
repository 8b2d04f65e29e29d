// The adjustment grid: comparables as columns, lines as rows, and sums that reconcile to the dollar.
function showGrid(data, act) {
  const sales = data.comparables;
  $("grid-card").hidden = !sales.length;
  $("restore").hidden = !choice.exclude.size && !choice.pin.size;
  if (!sales.length) return;
  $("grid-title").textContent = data.noEstimate === null ? "Comparable sales, adjusted to this home" : "The nearest sales there are; no estimate rests on them";
  const factors = [...new Set(sales.flatMap((sale) => sale.adjustments.map((line) => line.factor)))];
  const row = (name, title, own, cell, note) => make("tr", { class: name }, make("th", { scope: "row" }, title, note ? make("small", {}, note) : null),
    make("td", { class: "subject-col" }, own), ...sales.map((sale) => make("td", { "data-rank": sale.rank }, ...[cell(sale)].flat().filter((item) => item !== null))));
  const line = (factor) => {
    const of = (sale) => sale.adjustments.find((entry) => entry.factor === factor);
    return row("", factor === "age" ? "Age when sold" : words(factor), phrases(of(sales[0]).home), (sale) => {
      const { amountUsd, home, comparable } = of(sale);
      const told = Object.keys(comparable).length ? phrases(differing(comparable, home)) || "the same" : "";
      return [make("span", { class: tone(amountUsd) }, amountUsd === 0 ? "0" : signed(amountUsd)), told ? make("small", {}, told) : null];
    });
  };
  $("grid").replaceChildren(
    make("caption", { class: "visually-hidden" }, "Each comparable's price plus its adjustments is its adjusted price"),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Sale"), make("th", { scope: "col", class: "subject-col" }, "This home"), ...sales.map((sale) => saleHead(sale, act)))),
    make("tbody", {},
      row("", "Sold", "", (sale) => [day(sale.soldAt), make("small", {}, `${numberFormat.format(sale.monthsAgo)} months before`)]),
      row("", "Distance", "", (sale) => (sale.distanceKm === null ? "–" : `${sale.distanceKm.toFixed(2)} km`)),
      row("", "Similarity", "", (sale) => percent(sale.similarity)),
      row("strong", "Sale price", "", (sale) => usd(sale.priceUsd)),
      ...factors.map(line),
      row("sum", "Adjusted price", data.estimatedValue === null ? "" : usd(data.estimatedValue), (sale) => [usd(sale.adjustedPriceUsd),
        make("small", {}, `${signed(sale.adjustments.reduce((sum, entry) => sum + entry.amountUsd, 0))} in all`)]),
      row("", "Weight", "", (sale) => percent(sale.weight))));
}

function saleHead(sale, act) {
  const name = `sale ${sale.rank}, ${sale.propertyId}`;
  return make("th", { scope: "col", "data-rank": sale.rank }, make("span", { class: "dot" }, String(sale.rank)), make("small", {}, sale.propertyId),
    make("span", { class: "acts" },
      make("button", { type: "button", class: "quiet", id: `pin-${sale.rank}`, "aria-pressed": String(sale.pinned), "aria-label": `${sale.pinned ? "Unpin" : "Pin"} ${name}`, onclick: () => act("pin", sale) }, sale.pinned ? "Pinned" : "Pin"),
      make("button", { type: "button", class: "quiet", "aria-label": `Exclude ${name}`, onclick: () => act("exclude", sale) }, "Exclude")));
}
