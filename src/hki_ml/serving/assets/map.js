// The map: drawn from coordinates alone, with a graticule, distance rings, a scale bar and north.
const MAP = { width: 720, height: 470, points: [], home: null, centre: null, perKm: 1, fitted: 1 };
const KM_PER_DEGREE = 111.195;
const place = (item) => ({ east: item.longitude * KM_PER_DEGREE * Math.cos((MAP.home.latitude * Math.PI) / 180), north: item.latitude * KM_PER_DEGREE });

function showMap(data) {
  const points = data.comparables.filter((sale) => sale.latitude !== null && sale.longitude !== null);
  const { latitude, longitude } = data.facts;
  const home = latitude === undefined || longitude === undefined ? null : { latitude, longitude };
  $("map-card").hidden = !home && (!points.length || data.noEstimate !== null);
  if ($("map-card").hidden) return;
  MAP.points = points;
  MAP.hasHome = home !== null;
  MAP.home = home || { latitude: points[0].latitude, longitude: points[0].longitude };
  $("legend").replaceChildren(
    make("li", { class: "subject" }, make("span", { class: "dot", "aria-hidden": "true" }, "⌂"), make("b", {}, data.propertyId || "This home"), make("span", {}, data.estimatedValue === null ? "" : usd(data.estimatedValue)),
      make("small", {}, data.estimatedValue === null ? "this home" : "this home, estimated value; below: sale prices")),
    ...data.comparables.map((sale) => make("li", { "data-rank": sale.rank, onpointerenter: () => light(sale.rank), onpointerleave: () => light(0) },
      make("span", { class: "dot" }, String(sale.rank)), make("b", {}, sale.propertyId), make("span", {}, usd(sale.priceUsd)),
      make("small", {}, `${sale.distanceKm === null ? "distance unknown" : `${sale.distanceKm.toFixed(2)} km`} · sold ${day(sale.soldAt)} · weight ${percent(sale.weight)}`))));
  fitMap();
}

function fitMap() {
  // One unit of the drawing is one pixel of the screen, so that its letters keep their size on a phone.
  MAP.width = Math.round(Math.max(300, $("map").clientWidth || 720));
  MAP.height = Math.round(Math.max(300, MAP.width * 0.65));
  const all = [...MAP.points, ...(MAP.hasHome ? [MAP.home] : [])].map(place);
  const easts = all.map((p) => p.east);
  const norths = all.map((p) => p.north);
  const [left, right, bottom, top] = [Math.min(...easts), Math.max(...easts), Math.min(...norths), Math.max(...norths)];
  MAP.centre = { east: (left + right) / 2, north: (bottom + top) / 2 };
  MAP.perKm = Math.min((MAP.width - 130) / Math.max(right - left, 0.2), (MAP.height - 120) / Math.max(top - bottom, 0.2));
  MAP.fitted = MAP.perKm;
  drawMap();
}

function zoomMap(factor) {
  MAP.perKm = Math.min(Math.max(MAP.perKm * factor, MAP.fitted / 8), MAP.fitted * 64);
  drawMap();
}

const onMap = (item) => {
  const at = place(item);
  return [MAP.width / 2 + (at.east - MAP.centre.east) * MAP.perKm, MAP.height / 2 - (at.north - MAP.centre.north) * MAP.perKm];
};

function drawMap() {
  const told = MAP.points.map((sale) => `${sale.rank}: ${sale.distanceKm === null ? "unknown distance" : `${sale.distanceKm.toFixed(2)} kilometres`}`).join("; ");
  const svg = draw("svg", { viewBox: `0 0 ${MAP.width} ${MAP.height}`, tabindex: "0", role: "img",
    "aria-label": `Map of this home and ${MAP.points.length} comparable sales. Distances: ${told}. Arrow keys move, plus and minus zoom.` });
  svg.append(graticule(), rings());
  const home = MAP.hasHome ? onMap(MAP.home) : null;
  for (const sale of [...MAP.points].reverse()) {
    const [x, y] = onMap(sale);
    // A sale that the home would hide stands aside, on a leader.
    const aside = home && Math.hypot(x - home[0], y - home[1]) < 18 ? 24 : 0;
    svg.append(draw("g", { class: "pin", "data-rank": sale.rank, transform: `translate(${x} ${y})`, onpointerenter: () => light(sale.rank), onpointerleave: () => light(0) },
      draw("title", {}, `${sale.rank}. ${sale.propertyId}, ${usd(sale.priceUsd)}, ${sale.distanceKm === null ? "" : `${sale.distanceKm.toFixed(2)} km`}`),
      aside ? draw("line", { class: "leader", x1: 0, y1: 0, x2: aside, y2: -aside }) : null,
      draw("circle", { cx: aside, cy: -aside, r: 10 + 12 * Math.min(0.5, sale.weight) }), draw("text", { x: aside, y: 4.3 - aside }, String(sale.rank))));
  }
  if (MAP.hasHome) {
    const [x, y] = onMap(MAP.home);
    svg.append(draw("g", { transform: `translate(${x} ${y})` }, draw("title", {}, "This home"), draw("path", { class: "home", d: "M-12 1 0-11 12 1v11H-12z" })));
  }
  svg.append(scaleBar(), northArrow());
  const had = $("map").contains(document.activeElement);
  $("map").replaceChildren(svg);
  moveable(svg);
  if (had) svg.focus({ preventScroll: true });
}

function graticule() {
  const lines = draw("g", {});
  const east = KM_PER_DEGREE * Math.cos((MAP.home.latitude * Math.PI) / 180);
  const range = (centre, half) => niceSteps(centre - half, centre + half, 6);
  const name = (value, plus, minus) => `${Math.abs(value).toFixed(3).replace(/0+$/, "").replace(/\.$/, "")}° ${value < 0 ? minus : plus}`;
  for (const lon of range(MAP.centre.east / east, MAP.width / 2 / MAP.perKm / east)) {
    const [x] = onMap({ latitude: MAP.home.latitude, longitude: lon });
    if (x < 40 || x > MAP.width - 40) continue;
    lines.append(draw("line", { class: "grat", x1: x, x2: x, y1: 0, y2: MAP.height }), draw("text", { class: "soft halo", x, y: 15, "text-anchor": "middle" }, name(lon, "E", "W")));
  }
  for (const lat of range(MAP.centre.north / KM_PER_DEGREE, MAP.height / 2 / MAP.perKm / KM_PER_DEGREE)) {
    const [, y] = onMap({ latitude: lat, longitude: MAP.home.longitude });
    if (y < 30 || y > MAP.height - 30) continue;
    lines.append(draw("line", { class: "grat", x1: 0, x2: MAP.width, y1: y, y2: y }), draw("text", { class: "soft halo", x: 7, y: y - 4 }, name(lat, "N", "S")));
  }
  return lines;
}

function rings() {
  const group = draw("g", {});
  if (!MAP.hasHome) return group;
  const [x, y] = onMap(MAP.home);
  const reach = Math.hypot(MAP.width, MAP.height) / 2 / MAP.perKm;
  for (const km of niceSteps(0, reach, 4).filter((step) => step > 0)) {
    group.append(draw("circle", { class: "ring", cx: x, cy: y, r: km * MAP.perKm }),
      draw("text", { class: "soft halo", x, y: y + km * MAP.perKm - 4, "text-anchor": "middle" }, distance(km)));
  }
  return group;
}

const distance = (km) => (km < 1 ? `${Math.round(km * 1000)} m` : `${numberFormat.format(km)} km`);

function scaleBar() {
  const most = 150 / MAP.perKm;
  const power = 10 ** Math.floor(Math.log10(most));
  const km = [5, 2, 1].map((m) => m * power).find((length) => length <= most);
  const width = km * MAP.perKm;
  const y = MAP.height - 18;
  return draw("g", {}, draw("path", { class: "scale", d: `M18 ${y - 6}v6h${width}v-6` }), draw("text", { class: "halo strong", x: 18 + width / 2, y: y - 9, "text-anchor": "middle" }, distance(km)));
}

function northArrow() {
  return draw("g", { transform: `translate(${MAP.width - 28} 36)` }, draw("path", { class: "needle", d: "M0-18 8 10 0 5-8 10z" }), draw("text", { class: "halo strong", y: 25, "text-anchor": "middle" }, "N"));
}

function moveable(svg) {
  const shift = (right, up) => { MAP.centre = { east: MAP.centre.east + right / MAP.perKm, north: MAP.centre.north + up / MAP.perKm }; drawMap(); };
  svg.addEventListener("keydown", (event) => {
    const act = { ArrowLeft: () => shift(-50, 0), ArrowRight: () => shift(50, 0), ArrowUp: () => shift(0, 50), ArrowDown: () => shift(0, -50),
      "+": () => zoomMap(1.5), "=": () => zoomMap(1.5), "-": () => zoomMap(1 / 1.5), 0: fitMap }[event.key];
    if (act && !event.ctrlKey && !event.metaKey) { event.preventDefault(); act(); }
  });
  svg.addEventListener("pointerdown", (event) => {
    const scale = MAP.width / svg.getBoundingClientRect().width;
    let [x, y] = [event.clientX, event.clientY];
    const move = (to) => {
      const [right, up] = [(x - to.clientX) * scale, (to.clientY - y) * scale];
      if (Math.hypot(right, up) < 2) return;
      [x, y] = [to.clientX, to.clientY];
      shift(right, up);
    };
    const stop = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", stop); };
    addEventListener("pointermove", move);
    addEventListener("pointerup", stop);
  });
  svg.addEventListener("wheel", (event) => { if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoomMap(event.deltaY < 0 ? 1.25 : 0.8); } }, { passive: false });
}

function light(rank) {
  for (const item of document.querySelectorAll("[data-rank]")) item.classList.toggle("lit", item.dataset.rank === String(rank));
}

function niceSteps(low, high, wanted) {
  const raw = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const steps = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) steps.push(at);
  return steps;
}
