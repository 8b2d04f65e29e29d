// Talking to the service, and writing what it says: numbers, dates, names, elements.
const API = "/api/v1/ml";
const $ = (id) => document.getElementById(id);

class Refusal extends Error {
  constructor(problem, status) {
    super(problem.detail || problem.title || `The service answered ${status}.`);
    this.problem = problem;
    this.status = status;
  }
}

async function call(path, body, signal) {
  const options = body === undefined ? { signal }
    : { signal, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(API + path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal({ title: "The service does not answer", detail: "Check that it runs, then try again." }, 0);
  }
  const content = await response.json().catch(() => ({ title: "An answer that is no JSON" }));
  if (!response.ok || !content.success) throw new Refusal(content, response.status);
  return content.data;
}

function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const usdFormat = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
const numberFormat = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
const usd = (amount) => usdFormat.format(amount).replace("-", "−");
const signed = (amount) => (amount > 0 ? "+" : "") + usd(amount);
const percent = (share, digits = 0) => `${(share * 100).toFixed(digits)} %`;
const tone = (amount) => (amount > 0 ? "up" : amount < 0 ? "down" : "nil");
const day = (iso) => new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeZone: "UTC" }).format(new Date(iso));
const shortUsd = (amount) => Math.abs(amount) >= 1e6 ? `$${(amount / 1e6).toFixed(2)}M` : `$${Math.round(amount / 1e3)}k`;

const WORDS = { livingSqft: "Living area", lotSqft: "Lot", yearBuilt: "Built", yearRenovated: "Renovated",
  qualityGrade: "Quality grade", conditionGrade: "Condition grade", viewGrade: "View grade", isWaterfront: "Waterfront",
  propertyType: "Type", monthsAgo: "Time of sale" };
const UNITS = { livingSqft: "sqft", lotSqft: "sqft", size: "sqft", lot: "sqft", latitude: "°", longitude: "°" };
const UNGROUPED = new Set(["latitude", "longitude"]);

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

function words(name) {
  if (WORDS[name]) return WORDS[name];
  if (WORDS[camel(name)]) return WORDS[camel(name)];
  const spaced = name.replace(/^extra[._]?/, "").replace(/([a-z])([A-Z])/g, "$1 $2").replace(/_/g, " ").toLowerCase().trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function shown(name, value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value).replace(/_/g, " ");
  const digits = (name.startsWith("year") || name === "age") ? String(Math.round(value)) : UNGROUPED.has(name) ? String(Number(value.toFixed(4))) : numberFormat.format(value);
  return UNITS[name] ? `${digits}${UNITS[name] === "°" ? "" : " "}${UNITS[name]}` : digits;
}

// Facts as a person reads them: {yearBuilt: 1955, yearRenovated: 1990} is "built 1955, renovated 1990".
const SPOKEN = ["bedrooms", "bathrooms", "stories", "units"];
const flat = ({ extra, ...facts }) => ({ ...facts, ...extra });
const spokenOrder = (name) => (SPOKEN.indexOf(name) < 0 ? SPOKEN.length : SPOKEN.indexOf(name));

function phrase(name, value) {
  if (typeof value === "boolean") return `${value ? "" : "no "}${words(name).replace(/^Is /, "").toLowerCase()}`;
  if (typeof value === "string") return name === "area" ? `area ${value}` : shown(name, value);
  if (SPOKEN.includes(name)) return `${shown(name, value)} ${value === 1 ? (name === "stories" ? "story" : name.slice(0, -1)) : name}`;
  const measured = /^(.+)_(years|months|sqft|km|usd)$/.exec(name);
  if (measured) return `${words(measured[1]).toLowerCase()} ${shown("", value)} ${measured[2]}`;
  return `${words(name).toLowerCase()} ${shown(name, value)}`;
}

function phrases(facts) {
  const all = Object.entries(flat(facts)).sort(([a], [b]) => spokenOrder(a) - spokenOrder(b));
  if (all.length === 1 && typeof all[0][1] === "number" && UNITS[all[0][0]]) return shown(...all[0]);
  return all.map(([name, value]) => phrase(name, value)).join(", ");
}

function differing(facts, from) {
  const other = flat(from);
  return Object.fromEntries(Object.entries(flat(facts)).filter(([name, value]) => other[name] !== value));
}

const readable = (text) => text.replace(/\b[a-z]+(?:_[a-z0-9]+)+\b/g, (name) => words(name).toLowerCase()).replace(/^./, (letter) => letter.toUpperCase());
