// The page's one state: what is listed; and what happens when a file is sent or a job is ended.
let listed = [];
let models = [];
let looking = null;

const say = (text) => { $("said").textContent = text; };

function tell(error) {
  const problem = error.problem || { title: "Something went wrong on this page", detail: error.message };
  $("trouble").replaceChildren(make("section", { class: "card trouble" }, make("h2", {}, problem.title || "No answer"), make("p", {}, problem.detail || ""),
    problem.requestId ? make("p", { class: "hint" }, `Request ${problem.requestId}`) : null));
}

async function look() {
  clearTimeout(looking);
  try {
    const data = await call("/jobs");
    news(data.jobs);
    listed = data.jobs;
    show(listed);
    if (!models.length) offer(data.models);
  } catch (error) {
    tell(error);
  }
  looking = setTimeout(look, listed.some((job) => RUNNING.includes(job.state)) ? 700 : 5000);
}

function news(jobs) {
  for (const job of jobs) {
    const before = listed.find((each) => each.jobId === job.jobId);
    if (before && before.state !== job.state) say(`${job.name}: ${standing(job)}`);
  }
}

function offer(all) {
  models = all;
  $("model").replaceChildren(...all.map(({ name }) => make("option", { value: name }, words(name))));
  choose();
}

function choose() {
  const model = models.find(({ name }) => name === $("model").value);
  if (!model) return;
  const isHome = model.name === "valuation";
  $("column").textContent = isHome ? "property_id" : "lead_id";
  $("or-facts").hidden = !isHome;
  $("also").hidden = !model.also.length;
  $("also").replaceChildren(make("legend", {}, "Also"), ...model.also.map((name) => make("label", {}, make("input", { type: "checkbox", value: name }), words(name))));
}

async function sent() {
  const model = $("model").value, result = $("kind").value;
  const also = [...$("also").querySelectorAll("input:checked")].map((box) => box.value);
  const file = $("file").files[0];
  if (!file) {
    const ids = $("ids").value.split(/\r?\n/).map((id) => id.trim()).filter(Boolean);
    if (!ids.length) throw new Refusal({ title: "Nothing to answer", detail: "Choose a file, or write ids, one a line." }, 0);
    return call("/batch", { model, ids, result, also });
  }
  const query = new URLSearchParams({ model, result, name: file.name });
  for (const each of also) query.append("also", each);
  const type = /\.(parquet|pq)$/i.test(file.name) ? "application/vnd.apache.parquet" : "text/csv";
  const response = await fetch(`${API}/batch?${query}`, { method: "POST", headers: { "content-type": type }, body: file });
  const content = await response.json().catch(() => ({ title: "An answer that is no JSON" }));
  if (!response.ok) throw new Refusal(content, response.status);
  return content.data;
}

async function send(event) {
  event.preventDefault();
  if ($("send").getAttribute("aria-disabled")) return;
  $("send").setAttribute("aria-disabled", "true");
  try {
    const job = await sent();
    $("trouble").replaceChildren();
    $("ids").value = $("file").value = "";
    say(`${job.name}: taken in`);
    await look();
  } catch (error) {
    tell(error.problem ? error : new Refusal({ title: "The service does not answer", detail: "Check that it runs, then try again." }, 0));
  } finally {
    $("send").removeAttribute("aria-disabled");
  }
}

async function end(job) {
  try {
    const response = await fetch(`${API}/jobs/${job.jobId}`, { method: "DELETE" });
    const content = await response.json();
    if (!response.ok) throw new Refusal(content, response.status);
    say(`${job.name}: ${RUNNING.includes(job.state) ? "cancelled" : "removed"}`);
  } catch (error) {
    tell(error);
  }
  await look();
}

$("ask").addEventListener("submit", send);
$("model").addEventListener("change", choose);
look();
