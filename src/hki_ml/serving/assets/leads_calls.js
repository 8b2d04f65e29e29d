// The call list: by what a call is expected to bring, for the people and minutes that there are.
const KIND = { randomised: "tried by lot", correlational: "as leads like it" };

function callRow(each, more) {
  return make("tr", {}, ...more.map((text) => cell(text)), make("th", { scope: "row" }, make("button", { type: "button", class: "link", onclick: () => open(each.leadId, true) }, each.leadId)),
    cell(String(each.score)), cell(`${(100 * each.gain).toFixed(1)} points, ${KIND[each.kind]}`), cell(usd(each.expectedProfitUsd)));
}

async function plan(event) {
  event.preventDefault();
  try {
    const data = await call(`/call-list?${new URLSearchParams({ callers: $("callers").value, minutes: $("minutes").value })}`);
    const { counts, terms } = data;
    $("planned").replaceChildren(
      make("p", {}, `${numberFormat.format(counts.called)} calls, expected to bring ${usd(data.expectedProfitUsd)}; ${numberFormat.format(counts.noTime)} more would be worth one, ${numberFormat.format(counts.notWorth)} are not.`),
      make("p", { class: "hint" }, `A call takes ${terms.minutesPerCall} minutes at ${usd(terms.costPerMinuteUsd * 60)} an hour; a close brings ${percent(terms.profitRate, 1)} of the home's value. Where calls were not tried by lot the gain is what leads like it show, not proof.`),
      make("div", { class: "scroll" }, make("table", {}, heads("Caller", "Minute", "Lead", "Score", "A call adds", "Brings"),
        make("tbody", {}, ...data.calls.map((each) => callRow(each, [String(each.caller), String(Math.round(each.afterMinutes))]))))),
      ...(data.notWorth.length ? [make("details", {}, make("summary", {}, "Not worth a call"),
        make("ul", {}, ...data.notWorth.slice(0, 20).map((each) => make("li", {}, `${each.leadId} (score ${each.score}): ${each.reason}`))))] : []));
    $("plan-card").hidden = false;
    $("plan-card").focus();
    say(`${counts.called} calls planned`);
    $("trouble").replaceChildren();
  } catch (error) {
    tell(error);
  }
}
