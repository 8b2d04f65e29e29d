// Searching a home: a combobox after the ARIA pattern, by keyboard or pointer.
let searching = null;
let searchTimer = 0;
let marked = -1;

function startSearch(choose) {
  const input = $("search");
  const list = $("found");
  const options = () => [...list.querySelectorAll("[role=option]")];

  const close = () => {
    list.hidden = true;
    marked = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = (index) => {
    const all = options();
    if (!all.length) return;
    marked = (index + all.length) % all.length;
    all.forEach((option, i) => option.setAttribute("aria-selected", String(i === marked)));
    all[marked].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", all[marked].id);
  };
  const take = (id) => {
    clearTimeout(searchTimer);
    if (searching) searching.abort();
    input.value = id;
    close();
    choose(id);
  };
  const show = (answer) => {
    const items = answer.homes.map((home, i) => make("li", { role: "option", id: `found-${i}`, "aria-selected": "false",
      onpointerdown: (event) => { event.preventDefault(); take(home.propertyId); } },
      make("b", {}, home.propertyId),
      make("span", {}, [home.area, home.livingSqft && shown("livingSqft", home.livingSqft), home.bedrooms !== null && `${shown("", home.bedrooms)} bed`].filter(Boolean).join(" · "))));
    for (const [i, home] of answer.homes.entries()) items[i].dataset.id = home.propertyId;
    list.replaceChildren(...(items.length ? items : [make("li", { class: "none" }, "No home matches.")]));
    list.hidden = false;
    marked = -1;
    input.setAttribute("aria-expanded", "true");
    say(items.length ? `${answer.total} homes match, ${items.length} shown.` : "No home matches.");
  };
  const search = async () => {
    if (searching) searching.abort();
    searching = new AbortController();
    try {
      show(await call(`/properties?limit=12&query=${encodeURIComponent(input.value.trim())}`, undefined, searching.signal));
    } catch (error) {
      if (error.name !== "AbortError") { close(); tell(error); }
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(searchTimer);
    searchTimer = setTimeout(search, 160);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) search();
      else mark(marked + (event.key === "ArrowDown" ? 1 : marked < 0 ? 0 : -1));
    } else if (event.key === "Escape" && !list.hidden) {
      close();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = options()[marked];
      if (option) take(option.dataset.id);
      else if (input.value.trim()) take(input.value.trim());
      else $("go").click();
    }
  });
  input.addEventListener("blur", () => { clearTimeout(searchTimer); if (searching) searching.abort(); close(); });
}
