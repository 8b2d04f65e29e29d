// Pieces that cards are made of.
const section = (title, ...content) => make("section", { class: "card" }, make("h2", {}, title), ...content);
const cell = (text, attributes = {}) => make("td", attributes, text);
const heads = (...titles) => make("thead", {}, make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title))));
const mark = (name, text) => make("div", {}, make("dt", {}, name), make("dd", {}, text));
