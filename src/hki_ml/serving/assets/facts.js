// The form of a home's facts: made from what the model looks at, filled from the store, compared with it.
const BASIC = ["area", "property_type", "latitude", "longitude", "living_sqft", "lot_sqft", "bedrooms", "bathrooms",
  "stories", "units", "year_built", "year_renovated", "quality_grade", "condition_grade", "view_grade", "is_waterfront"];
const TEXT = new Set(["area", "property_type"]);
const factFields = new Map();
let storedFacts = {};

function buildFacts(known) {
  const told = new Map(known.map((fact) => [fact.name, fact]));
  const names = [...BASIC.filter((name) => told.has(name) || !known.length), ...[...told.keys()].filter((n) => n.startsWith("extra_"))];
  factFields.clear();
  $("facts").replaceChildren(...names.map((name) => factField(name, told.get(name) || { categories: [] })));
}

function factField(name, fact) {
  const extra = name.startsWith("extra_");
  const wire = extra ? name.slice(6) : camel(name);
  const id = `fact-${name}`;
  const isText = TEXT.has(name) || (fact.categories || []).length > 0;
  const input = name === "is_waterfront"
    ? make("select", { id }, ...[["", "unknown"], ["true", "yes"], ["false", "no"]].map(([value, text]) => make("option", { value }, text)))
    : make("input", { id, type: isText ? "text" : "number", step: isText ? null : "any", maxlength: isText ? 200 : null,
      list: isText && fact.categories.length ? `${id}-list` : null, placeholder: rangeHint(name, fact) });
  const list = isText && fact.categories.length
    ? make("datalist", { id: `${id}-list` }, ...fact.categories.map((value) => make("option", { value }))) : null;
  const measured = /^(.+)_(years|months|sqft|km|usd)$/.exec(wire);
  const unit = measured ? `, ${measured[2]}` : UNITS[wire] ? `, ${UNITS[wire] === "°" ? "degrees" : UNITS[wire]}` : "";
  const field = make("div", { class: "field" }, make("label", { for: id }, words(measured ? measured[1] : wire) + unit), input, list);
  input.addEventListener("input", markChanges);
  factFields.set(name, { wire, extra, input, field, isText });
  return field;
}

function rangeHint(name, fact) {
  if (fact.low === null || fact.low === undefined) return null;
  const plain = (value) => (name.startsWith("year") ? String(Math.round(value)) : numberFormat.format(Math.abs(value) >= 200 ? Math.round(value) : value));
  return `${plain(fact.low)} to ${plain(fact.high)}`;
}

function setFacts(facts) {
  storedFacts = facts;
  for (const { wire, extra, input } of factFields.values()) {
    const value = extra ? (facts.extra || {})[wire] : facts[wire];
    input.value = value === undefined || value === null ? "" : String(value);
  }
  markChanges();
}

function typed({ input, isText }) {
  if (input.value.trim() === "") return input.validity && input.validity.badInput ? NaN : null;
  if (input.tagName === "SELECT") return input.value === "true";
  return isText ? input.value.trim() : Number(input.value);
}

function gather(keep) {
  const facts = {};
  for (const entry of factFields.values()) {
    const value = typed(entry);
    const known = entry.extra ? (storedFacts.extra || {})[entry.wire] : storedFacts[entry.wire];
    if (!keep(value, known === undefined ? null : known)) continue;
    if (entry.extra) facts.extra = { ...facts.extra, [entry.wire]: value };
    else facts[entry.wire] = value;
  }
  return facts;
}

const differs = (value, known) => (typeof known === "string" && typeof value === "number" ? String(value) : value) !== known;
const allFacts = () => gather((value) => value !== null);
const changedFacts = () => gather((value, known) => differs(value, known));

function markChanges() {
  const isKnown = Object.keys(storedFacts).length > 0;
  let changes = 0;
  for (const entry of factFields.values()) {
    const known = entry.extra ? (storedFacts.extra || {})[entry.wire] : storedFacts[entry.wire];
    const changed = isKnown && differs(typed(entry), known === undefined ? null : known);
    entry.field.classList.toggle("changed", changed);
    changes += changed ? 1 : 0;
  }
  $("facts-note").textContent = isKnown ? (changes ? `${changes} changed by you` : "change any of them to ask: what if?") : "typed by you";
  $("undo").hidden = !changes;
}

function faultAt(pointer, reason) {
  const parts = pointer.split("/").slice(1);
  const last = parts[parts.length - 1];
  const fixed = { asOf: "as-of", radiusKm: "radius", months: "months", count: "count", propertyId: "search" };
  const found = [...factFields.values()].find((entry) => entry.wire === last && (parts[0] === "facts" || parts[0] === "overrides"));
  const input = found ? found.input : fixed[last] ? $(fixed[last]) : parts[0] === "investment" ? $(`term-${last}`) : null;
  if (!input) return false;
  const id = `${input.id}-fault`;
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-errormessage", id);
  input.closest(".field").append(make("p", { class: "fault", id }, reason));
  const box = input.closest("details");
  if (box) box.open = true;
  return input;
}

function unreadable() {
  const bad = [...document.querySelectorAll("main input")].find((input) => input.validity.badInput);
  if (!bad) return false;
  bad.setAttribute("aria-invalid", "true");
  bad.closest(".field").append(make("p", { class: "fault", id: `${bad.id}-fault` }, "Expected a number or a date."));
  const box = bad.closest("details");
  if (box) box.open = true;
  bad.focus();
  return true;
}

function clearFaults() {
  for (const told of document.querySelectorAll(".fault")) told.remove();
  for (const input of document.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-errormessage");
  }
}
