// The jobs: how far each is, what became of its rows, what can be done with it.
const RUNNING = ["queued", "running", "cancelling"];
const STEPS = { waiting: "waiting", reading: "reading the file", joining: "looking up what is known", scoring: "answering", writing: "writing the result", done: "done" };
const count = (number, what) => `${numberFormat.format(number)} ${what}`;

function standing(job) {
  if (job.state === "running") {
    const of = job.toScore === null ? "" : ` ${numberFormat.format(job.scored)} of ${count(job.toScore, "rows")}`;
    const left = job.secondsLeft === null ? "" : `, about ${numberFormat.format(Math.ceil(job.secondsLeft))} s left`;
    return `${STEPS[job.step] || job.step}${of}${left}`;
  }
  if (job.state === "done") return `${count(job.scored, "rows answered")} in ${numberFormat.format(job.seconds)} s`;
  return job.state;
}

function rejected(job) {
  const reasons = Object.entries(job.rejected);
  if (job.state === "failed") return job.detail || "It failed.";
  if (!reasons.length) return null;
  const total = reasons.reduce((sum, [, rows]) => sum + rows, 0);
  return `${count(total, "rows rejected")}: ${reasons.map(([reason, rows]) => `${words(reason).toLowerCase()} ${numberFormat.format(rows)}`).join(", ")}`;
}

function drawn(job) {
  const versions = Object.entries(job.modelVersions).map(([room, version]) => `${words(room).toLowerCase()} ${version}`).join(", ");
  const bad = rejected(job);
  const bar = RUNNING.includes(job.state)
    ? make("progress", { "aria-label": `Progress of ${job.name}`, max: job.toScore || 1, value: job.toScore ? job.scored : undefined }) : null;
  return make("li", { class: `job ${job.state}`, "data-job": job.jobId },
    make("h3", {}, `${job.name} – ${words(job.model)}`),
    make("p", { class: "tools" },
      job.resultUrl ? make("a", { href: job.resultUrl, download: true, "aria-label": `Result of ${job.name}` }, "Result") : null,
      job.rejectsUrl && bad ? make("a", { href: job.rejectsUrl, download: true, "aria-label": `Rejects of ${job.name}` }, "Rejects") : null,
      make("button", { type: "button", class: "quiet", "data-end": job.jobId, onclick: () => end(job) }, RUNNING.includes(job.state) ? "Cancel" : "Remove")),
    bar,
    make("p", { class: "hint" }, `${standing(job)}${job.asOf ? `; as of ${day(job.asOf)}` : ""}${versions ? `, by ${versions}` : ""}`),
    bad ? make("p", { class: "bad" }, bad) : null);
}

function show(jobs) {
  const held = document.activeElement?.dataset?.end;
  $("none").hidden = jobs.length > 0;
  $("jobs").replaceChildren(...jobs.map(drawn));
  if (held) (document.querySelector(`[data-end="${held}"]`) || $("jobs-title")).focus();
}
