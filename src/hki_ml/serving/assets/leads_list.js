// The morning list: filters, rows, and moving through them with the keyboard.
const FILTERS = ["query", "source", "stage", "minScore"];
const PAGE = 50;
let leads = [];
let selected = null;
let listing = null;

const heat = (score) => (score >= 70 ? "badge hot" : score >= 50 ? "badge warm" : "badge");

function filters(offset) {
  const asked = new URLSearchParams({ limit: PAGE, offset });
  for (const name of FILTERS) if ($(name).value.trim() !== "") asked.set(name, $(name).value.trim());
  return asked;
}

async function list(more) {
  if (listing) listing.abort();
  const mine = (listing = new AbortController());
  try {
    const data = await call(`/leads?${filters(more ? leads.length : 0)}`, undefined, mine.signal);
    leads = more ? [...leads, ...data.leads] : data.leads;
    $("model-line").textContent = `Scored ${day(data.scoredAt)} by version ${data.modelVersion}`;
    $("count").textContent = `${numberFormat.format(data.total)} open leads${data.total ? "; arrow keys move, Enter opens, / searches" : ""}`;
    $("more").hidden = leads.length >= data.total;
    choices("source", data.choices.sources);
    choices("stage", data.choices.stages);
    rows();
    $("trouble").replaceChildren();
  } catch (error) {
    if (error.name !== "AbortError") tell(error);
  }
}

function choices(id, values) {
  const kept = $(id).value;
  $(id).replaceChildren(make("option", { value: "" }, "any"), ...values.map((value) => make("option", { value }, words(value))));
  $(id).value = kept;
}

function rows() {
  // Tab reaches one row: the open lead's, or the first where that one is filtered out.
  const reached = leads.some((lead) => lead.leadId === selected) ? selected : leads[0]?.leadId;
  $("list").replaceChildren(...leads.map((lead, at) => make("tr",
    { tabindex: lead.leadId === reached ? "0" : "-1", "aria-selected": String(lead.leadId === selected), "data-lead": lead.leadId,
      onclick: () => open(lead.leadId), onkeydown: (event) => move(event, at) },
    make("td", {}, make("span", { class: heat(lead.score) }, String(lead.score))), make("th", { scope: "row" }, lead.leadId),
    make("td", {}, lead.leadSource ? words(lead.leadSource) : "–"), make("td", {}, words(lead.stage)),
    make("td", {}, `${Math.round(lead.ageDays)} d`), make("td", {}, percent(lead.predictedConversion, 1)))));
}

function move(event, at) {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -leads.length, End: leads.length };
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    open(leads[at].leadId, true);
  } else if (event.key in steps) {
    event.preventDefault();
    const to = Math.min(leads.length - 1, Math.max(0, at + steps[event.key]));
    [...$("list").rows].forEach((row, i) => row.setAttribute("tabindex", i === to ? "0" : "-1"));
    $("list").rows[to].focus();
  }
}
