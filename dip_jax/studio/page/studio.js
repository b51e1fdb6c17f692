// The studio: a picture is opened, painted on, restored, looked at, and downloaded.

import { Editor } from "./editor.js";
import { Options, element } from "./forms.js";
import * as results from "./results.js";
import * as server from "./server.js";

const $ = (id) => document.getElementById(id);
const NEEDS_MASK = "Paint over what is to be filled, then restore.";

const studio = { tasks: [], picture: null, task: null, watched: null, shown: null, works: [], painted: false };
const editor = new Editor(() => changed());
const options = new Options(() => soon(), async (name, file) => {
  await tried(async () => { await server.optionFile(studio.picture.id, name, file); soon(); });
});

// ---- problems

function problem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
  if (text) $("problem").scrollIntoView({ block: "nearest" });
}

async function tried(what) {
  try {
    problem("");
    return await what();
  } catch (error) {
    problem(error.message);
    return undefined;
  }
}

// ---- a picture

async function open(file) {
  if (!file) return;
  if (studio.watched) return problem("A picture is being restored: wait for it, or stop it, and then open another.");
  await tried(async () => {
    $("reading").textContent = `Reading ${file.name || "the picture"} …`;
    $("reading").hidden = false;
    try {
      await take(await server.openPicture(file));
      studio.works = [];
    } finally {
      $("reading").hidden = true;
      $("file").value = "";
    }
  });
}

async function take(picture) {
  studio.picture = picture;
  sessionStorage.setItem("picture", picture.id);
  const [w, h] = picture.view;
  editor.open(server.viewOf(picture.id), w, h);
  $("about").textContent = `${picture.name}: ${picture.width} × ${picture.height} pixels, ${picture.channels === 1 ? "grey" : "colour"}, ${picture.depth}, ${picture.format}`;
  results.lines($("notes"), picture.notes);
  $("open").textContent = "Open another picture";
  editor.setSize(Math.max(4, Math.round(Math.max(w, h) / 40)));
  $("sensitivity-of").hidden = true;
  toPaint();
}

function toPaint() {
  [studio.shown, studio.watched] = [null, null];
  $("asking").disabled = false;
  $("asking").hidden = false;
  $("running").hidden = true;
  $("done").hidden = true;
  $("close-up").hidden = true;
  $("picture").src = server.viewOf(studio.picture.id);
  editor.show("paint", studio.task.fills);
  soon();
}

// ---- what is asked for

function choose(name) {
  studio.task = studio.tasks.find((task) => task.name === name);
  document.querySelector(`input[name=task][value=${name}]`).checked = true;
  $("description").textContent = studio.task.description;
  options.show(studio.task);
  if (studio.picture && editor.mode === "paint") editor.show("paint", studio.task.fills);
  soon();
}

function changed() { // what is painted
  studio.painted = false;
  $("undo").disabled = !editor.done.length;
  $("redo").disabled = !editor.undone.length;
  const share = editor.share();
  $("clear").disabled = !share;
  $("marked").textContent = share ? `${(100 * share).toFixed(share < 0.01 ? 2 : 1)}% of the picture is marked` : "Nothing is marked yet";
  soon();
}

async function sendMask() {
  if (!studio.task.fills || studio.painted) return;
  const { marked } = await server.paint(studio.picture.id, await editor.layer());
  studio.painted = true;
  studio.marked = marked;
}

let timer = 0, asks = 0;
function soon() {
  clearTimeout(timer);
  timer = setTimeout(estimate, 600);
}

async function estimate() {
  if (!studio.picture || editor.mode !== "paint" || editor.stroke) return;
  const mine = ++asks, list = $("estimate");
  try {
    await sendMask();
    if (studio.task.fills && !studio.marked && !studio.picture.alpha) {
      results.lines(list, [NEEDS_MASK]);
      return;
    }
    const { lines } = await server.estimate(studio.picture.id, options.asked());
    if (mine !== asks) return;
    results.lines(list, lines, lines.findIndex((line) => line.includes("of memory")));
  } catch (error) {
    if (mine !== asks) return;
    results.lines(list, [error.message]);
    list.firstChild.className = "bad";
  }
}

// ---- a fit

async function start(asked = null) {
  clearTimeout(timer);
  asks += 1; // what was being estimated is not wanted any more
  $("start").disabled = true;
  await tried(async () => {
    await sendMask();
    if (!asked && studio.task.fills && !studio.marked && !studio.picture.alpha) throw new Error(NEEDS_MASK);
    watch(await server.start(studio.picture.id, asked || options.asked()));
  });
  $("start").disabled = false;
}

function watch(work) {
  studio.watched = work.number;
  studio.preview = 0;
  $("elsewhere").hidden = true;
  $("asking").disabled = true;
  $("asking").hidden = true;
  $("done").hidden = true;
  $("running").hidden = false;
  $("stop").disabled = false;
  $("phase").textContent = "";
  $("after").src = server.viewOf(work.picture.id);
  editor.show("watch", false);
  follow(work);
}

function follow(work) {
  $("progress").max = Math.max(1, work.total);
  $("progress").value = work.made;
  $("told").textContent = results.told(work);
  $("phase").textContent = work.stopping ? "Stopping at the next logged step …" : `${results.clock(work.seconds)} so far. It may stop by itself before the last step.`;
  $("stop").disabled = work.stopping;
  results.lines($("messages"), work.lines);
  results.curve(document.querySelector("#running .curve"), work);
  document.title = work.total ? `${Math.round((100 * work.made) / work.total)}% · dip_jax studio` : "dip_jax studio";
  if (work.preview !== studio.preview) {
    studio.preview = work.preview;
    swap($("after"), server.previewOf(work.number, work.preview));
    $("close-up").hidden = !work.close_up;
    if (work.close_up) swap($("part"), server.previewOf(work.number, work.preview, true));
  }
}

function swap(image, url) { // without a flash of nothing
  const next = new Image();
  next.onload = () => { image.src = url; };
  next.src = url;
}

function ended(work) {
  studio.watched = null;
  document.title = "dip_jax studio";
  $("running").hidden = true;
  $("close-up").hidden = true;
  $("asking").disabled = false;
  if (work.state === "done") {
    if (!studio.works.includes(work.number)) studio.works.push(work.number);
    return show(work);
  }
  toPaint();
  return problem(work.error);
}

// ---- a result

function show(work) {
  studio.shown = work;
  const { result } = work;
  $("asking").hidden = true;
  $("running").hidden = true;
  $("done").hidden = false;
  $("after").src = server.viewOfResult(work.number, "after");
  editor.show("compare", false);
  $("show-uncertainty").hidden = result.uncertainty === null;
  $("uncertain").checked = false;
  if (result.uncertainty !== null) $("uncertainty").src = server.viewOfResult(work.number, "uncertainty");
  $("why").textContent = result.why;
  $("facts").textContent = results.facts(work);
  $("download").href = server.resultOf(work.number);
  $("download").download = result.file;
  $("download").textContent = `Download ${result.file}`;
  results.curve($("curve-of-result"), work);
  results.command(work, server.maskOfResult(work.number));
  results.lines($("messages-of-result"), work.lines);
  $("results").replaceChildren(...(studio.works.length > 1 ? studio.works.map((number, i) => {
    const input = element("input", { type: "radio", name: "result", value: String(number), checked: number === work.number });
    input.addEventListener("change", () => tried(async () => show(await server.work(number))));
    return element("label", {}, input, element("span", {}, `Result ${i + 1}`));
  }) : []));
}

function again(changes) {
  const { command, options: given } = studio.shown;
  const text = (value) => (Array.isArray(value) && typeof value[0] === "string" ? value.join(" ") : value);
  const asked = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, text(value)]));
  const more = changes(asked);
  for (const [name, value] of Object.entries(more)) options.set(name, value);
  start({ command, options: { ...asked, ...more } });
}

// ---- all together

async function tick() {
  try {
    if (studio.watched) {
      const work = await server.work(studio.watched);
      if (work.state === "fitting") follow(work);
      else ended(work);
    } else {
      const { now } = await server.state();
      $("elsewhere").hidden = !now;
      if (now) $("elsewhere").firstElementChild.textContent = `${now.picture.name} is being restored, and one picture is at a time.`;
      studio.elsewhere = now;
    }
    if (studio.lost) problem("");
    studio.lost = false;
  } catch (error) {
    studio.lost = true;
    problem(error.message);
  }
  setTimeout(tick, 1000);
}

async function come() { // and come back after a reload
  studio.tasks = await server.tasks();
  $("tasks").replaceChildren(...studio.tasks.map((task) => {
    const input = element("input", { type: "radio", name: "task", value: task.name });
    input.addEventListener("change", () => choose(task.name));
    return element("label", {}, input, element("span", {}, task.line[0].toUpperCase() + task.line.slice(1)));
  }));
  choose("inpaint");
  const id = sessionStorage.getItem("picture");
  const { now, works } = await server.state();
  if (!id) return;
  let picture;
  try {
    picture = await server.picture(id);
  } catch {
    sessionStorage.removeItem("picture");
    return;
  }
  const mine = works.filter((work) => work.picture === id);
  studio.works = mine.filter((work) => work.state === "done").map((work) => work.number);
  const last = now && now.picture.id === id ? now : mine.length ? await server.work(mine.at(-1).number) : null;
  if (last) choose(last.command);
  await take(picture);
  if (picture.marked) {
    await editor.add(await (await fetch(`${server.maskOf(id)}?as=layer`)).blob());
    if (!last && studio.tasks) choose(studio.task.name);
  }
  if (!last) return;
  for (const [name, value] of Object.entries(last.options)) options.set(name, Array.isArray(value) && typeof value[0] === "string" ? value.join(" ") : value);
  if (last.state === "fitting") watch(last);
  else if (last.state === "done") show(last);
}

$("file").addEventListener("change", () => open($("file").files[0]));
document.addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    open(file);
  }
});
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
for (const name of ["dragleave", "drop"]) document.addEventListener(name, (event) => {
  event.preventDefault();
  if (name === "drop" || !event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => open(event.dataTransfer.files[0]));
$("panel").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("stop").addEventListener("click", () => tried(async () => follow(await server.stop(studio.watched))));
$("elsewhere").querySelector("button").addEventListener("click", () => tried(async () => {
  const work = studio.elsewhere;
  if (!work) return;
  studio.works = [];
  choose(work.command);
  await take(work.picture);
  watch(work);
}));
$("suggest").addEventListener("click", suggest);
let again_ = 0;
$("sensitivity").addEventListener("input", () => {
  clearTimeout(again_);
  again_ = setTimeout(suggest, 300);
});
async function suggest() {
  $("suggest").disabled = true;
  $("marked").textContent = "Looking for scratches …";
  await tried(async () => {
    await editor.add(await server.marks(studio.picture.id, $("sensitivity").value), "suggested");
    $("sensitivity-of").hidden = false;
  });
  $("suggest").disabled = false;
  changed();
}
$("mask-file").addEventListener("change", () => tried(async () => {
  const file = $("mask-file").files[0];
  if (!file) return;
  $("mask-file").value = "";
  const { layer, remarks } = await server.maskFile(studio.picture.id, file, $("mask-keeps").checked ? "keep" : "fill");
  await editor.add(layer);
  if (remarks.length) $("marked").textContent += ` (${remarks.join("; ")})`;
}));
$("uncertain").addEventListener("change", () => { $("uncertainty").hidden = !$("uncertain").checked; });
$("longer").addEventListener("click", () => again((given) => {
  if (given.draft) return { draft: false };
  const { num_steps: steps, patience, parted } = studio.shown;
  const sets = (given.set || "").split(/\s+/).filter((word) => word && !/^(stop\.patience|parts\.steps)=/.test(word));
  if (patience) sets.push(`stop.patience=${2 * patience}`);
  if (parted) sets.push(`parts.steps=${2 * steps}`);
  return { steps: Math.max(2 * steps, given.steps || 0), set: sets.join(" ") };
}));
$("another").addEventListener("click", () => again((given) => ({ seed: (given.seed || 0) + (given.seeds || 1) })));
$("mean").addEventListener("click", () => again(() => ({ seeds: 4 })));
$("paint-again").addEventListener("click", () => toPaint());
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const text = $(button.dataset.of).textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // a page that is not of this machine may not
      getSelection().selectAllChildren($(button.dataset.of));
      button.textContent = "Selected: copy it with Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
window.addEventListener("beforeunload", (event) => {
  if (editor.mode === "paint" && editor.done.length && !studio.painted) event.preventDefault();
});

tried(come).then(tick);
