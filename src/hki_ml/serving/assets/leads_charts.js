// The drawings of a lead: its score over time, its odds by horizon, its ends over time.
const WIDE = 560;

function scoreChart(points) {
  const [left, right, top, bottom, height] = [34, 12, 12, 26, 200];
  const times = points.map((point) => Date.parse(point.at));
  const scores = points.map((point) => Math.min(100, Math.max(0, point.score)));
  const [from, to] = [times[0], Math.max(times.at(-1), times[0] + 1)];
  const x = (time) => left + ((time - from) / (to - from)) * (WIDE - left - right);
  const y = (score) => top + (1 - score / 100) * (height - top - bottom);
  const grid = [0, 25, 50, 75, 100].flatMap((score) => [
    draw("line", { class: "axis", x1: left, x2: WIDE - right, y1: y(score), y2: y(score) }),
    draw("text", { class: "soft", x: left - 6, y: y(score) + 4, "text-anchor": "end" }, String(score))]);
  // Between two events only the clock moves the score: up to the event it decays, at it it jumps.
  const path = points.map((point, i) => (i === 0 ? `M${x(times[0])},${y(scores[0])}`
    : `L${x(times[i])},${y(Math.min(100, Math.max(0, point.score - point.features)))}L${x(times[i])},${y(scores[i])}`)).join("");
  return draw("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${height}`, role: "img", "aria-label": `Score from ${Math.round(scores[0])} on ${day(points[0].at)} to ${Math.round(scores.at(-1))} on ${day(points.at(-1).at)}; every step stands in the table below` },
    ...grid, draw("path", { class: "line", d: path }),
    ...points.map((point, i) => draw("circle", { class: i < points.length - 1 ? "spot" : "spot now", cx: x(times[i]), cy: y(scores[i]), r: 4 })),
    draw("text", { class: "soft", x: left, y: height - 6 }, day(points[0].at)),
    draw("text", { class: "soft", x: WIDE - right, y: height - 6, "text-anchor": "end" }, day(points.at(-1).at)));
}

function oddsChart(horizons) {
  const [row, left, right] = [30, 74, 62];
  const most = Math.max(...horizons.map((each) => each.probability), 0.01);
  return draw("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${row * horizons.length}`, role: "img", "aria-label": horizons.map((each) => `${each.days} days ${percent(each.probability, 1)}`).join(", ") },
    ...horizons.flatMap((each, i) => {
      const width = (each.probability / most) * (WIDE - left - right);
      return [draw("text", { x: left - 10, y: i * row + 20, "text-anchor": "end", class: "soft" }, `${each.days} days`),
        draw("rect", { class: "closed", x: left, y: i * row + 5, width: Math.max(1, width), height: row - 10, rx: 3 }),
        draw("text", { class: "strong", x: left + width + 8, y: i * row + 20 }, percent(each.probability, 1))];
    }));
}

function endsChart(distribution) {
  const [left, right, top, bottom, height] = [40, 12, 10, 26, 190];
  const rows = [{ days: 0, closed: 0, lost: 0 }, ...distribution];
  const last = rows.at(-1).days;
  const x = (days) => left + (days / last) * (WIDE - left - right);
  const y = (share) => top + (1 - share) * (height - top - bottom);
  const area = (lower, upper) => `M${rows.map((each) => `${x(each.days)},${y(upper(each))}`).join("L")}L${[...rows].reverse().map((each) => `${x(each.days)},${y(lower(each))}`).join("L")}Z`;
  return draw("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${height}`, role: "img", "aria-label": distribution.map((each) => `after ${each.days} days ${percent(each.closed)} closed, ${percent(each.lost)} lost`).join("; ") },
    draw("path", { class: "closed", d: area(() => 0, (each) => each.closed) }),
    draw("path", { class: "lost", d: area((each) => each.closed, (each) => each.closed + each.lost) }),
    draw("rect", { class: "open-part", x: left, y: top, width: WIDE - left - right, height: height - top - bottom }),
    ...[0, 0.5, 1].map((share) => draw("text", { class: "soft", x: left - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share))),
    ...rows.filter((each) => [0, 30, 90, 180].includes(each.days)).map((each) => draw("text", { class: "soft", x: x(each.days), y: height - 6, "text-anchor": each.days === last ? "end" : "middle" }, `${each.days} d`)));
}

function pointsBar(points, most) {
  const half = 100 / (most || 1);
  return draw("svg", { viewBox: "0 0 200 20", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("line", { class: "axis", x1: 100, x2: 100, y1: 0, y2: 20 }),
    draw("rect", { class: points < 0 ? "minus" : "plus", x: points < 0 ? 100 + points * half : 100, y: 3, width: Math.max(0.8, Math.abs(points) * half), height: 14, rx: 1.5 }));
}
