// The studio: a picture is opened, painted on, restored, looked at, and downloaded.

import { Editor } from "./editor.js";
import { Options, element } from "./forms.js";
import * as results from "./results.js";
import * as server from "./server.js";

const $ = (id) => document.getElementById(id);
const NEEDS_MASK = "Paint over what is to be filled, then restore.";

// What the page knows: `file` is the picture as it was given, `watched` the number of the fit that is
// shown, `shown` the result that is; `sent` whether the server has what is painted.
const studio = { tasks: [], picture: null, file: null, task: null, watched: null, shown: null, works: [], sent: true, busy: false };
const editor = new Editor(() => changed());
const options = new Options(
  () => ranged(),
  (name, file) => tried(async () => filesAre(await server.optionFile(studio.picture.id, name, file))),
  (name) => tried(async () => filesAre(await server.noOptionFile(studio.picture.id, name))),
);

function filesAre(picture) {
  options.given(picture.files);
  soon();
}

// ---- problems

function problem(text) {
  if ($("problem").textContent === text) return;
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
  if (studio.watched || studio.busy) {
    problem("A picture is being restored: wait for it, or stop it, and then open another.");
    return;
  }
  studio.busy = true;
  await tried(async () => {
    $("reading").textContent = `Reading ${file.name || "the picture"} …`;
    $("reading").hidden = false;
    try {
      const picture = await server.openPicture(file);
      studio.file = file;
      studio.works = [];
      options.clear();
      await take(picture);
    } finally {
      $("reading").hidden = true;
      $("file").value = "";
    }
  });
  studio.busy = false;
}

async function take(picture) {
  const layer = picture.marked ? await server.layerOf(picture.id) : null;
  studio.picture = picture;
  sessionStorage.setItem("picture", picture.id);
  const [w, h] = picture.view;
  editor.open(server.viewOf(picture.id, range()), w, h);
  options.given(picture.files);
  if (layer) await editor.add(layer);
  changed();
  [studio.sent, studio.marked] = [true, picture.marked];
  $("about").textContent = `${picture.name}: ${picture.width} × ${picture.height} pixels, ${picture.channels === 1 ? "grey" : "colour"}, ${picture.depth}, ${picture.format}`;
  results.lines($("notes"), picture.notes);
  $("open").textContent = "Open another picture";
  editor.setSize(Math.max(4, Math.round(Math.max(w, h) / 40)));
  $("sensitivity-of").hidden = true;
  toPaint();
}

// The server was started anew, or the picture has made room for others: the page gives it again.
let reopening = null;
async function again(what) {
  try {
    return await what();
  } catch (error) {
    if (error.status !== 404 || !studio.file) throw error;
    reopening ||= reopen().finally(() => { reopening = null; });
    await reopening;
    return what();
  }
}

async function reopen() {
  studio.picture = await server.openPicture(studio.file);
  sessionStorage.setItem("picture", studio.picture.id);
  options.given(studio.picture.files);
  studio.works = [];
  studio.sent = false;
  await sendMask();
}

function toPaint() {
  [studio.shown, studio.watched] = [null, null];
  problem("");
  shownIn(range());
  $("show-results").hidden = !studio.works.length;
  $("asking").disabled = false;
  $("asking").hidden = false;
  $("running").hidden = true;
  $("done").hidden = true;
  $("close-up").hidden = true;
  $("picture").hidden = false;
  if (editor.width !== studio.picture.view[0] || editor.height !== studio.picture.view[1]) editor.resize(...studio.picture.view);
  editor.show("paint", studio.task.fills);
  if (document.activeElement === document.body) $("stage").focus({ preventScroll: true });
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

const range = () => options.kept.data_range || null;
function shownIn(values) { // the picture, with these values of black and white
  const url = server.viewOf(studio.picture.id, values);
  if (!$("picture").src.endsWith(url)) $("picture").src = url;
}

function ranged() {
  if (studio.picture && editor.mode === "paint") shownIn(range());
  soon();
}

function changed() { // what is painted
  studio.sent = false;
  $("undo").disabled = !editor.done.length;
  $("redo").disabled = !editor.undone.length;
  const share = editor.share();
  $("clear").disabled = !share;
  $("marked").textContent = share ? `${(100 * share).toFixed(share < 0.01 ? 2 : 1)}% of the picture is marked` : "Nothing is marked yet";
  soon();
}

let sending = null;
async function sendMask() { // until the server has what is seen
  while (sending) await sending.catch(() => {});
  while (!studio.sent) await (sending = sent().finally(() => { sending = null; }));
}

async function sent() {
  const { id } = studio.picture;
  studio.sent = true;
  try {
    const { marked } = await server.paint(id, await editor.layer());
    if (studio.picture.id === id) studio.marked = marked;
  } catch (error) {
    studio.sent = false;
    throw error;
  }
}

const unmarked = () => studio.task.fills && !studio.marked && !studio.picture.alpha;

let timer = 0, asks = 0;
function soon() {
  clearTimeout(timer);
  timer = setTimeout(estimate, 600);
}

async function estimate() {
  if (!studio.picture || editor.mode !== "paint" || editor.stroke || studio.busy) return;
  const mine = ++asks, list = $("estimate");
  try {
    await again(sendMask);
    if (unmarked()) {
      results.lines(list, [NEEDS_MASK]);
      return;
    }
    const { lines } = await again(() => server.estimate(studio.picture.id, options.asked()));
    if (mine !== asks) return;
    const first = lines.filter((line) => line.includes("of memory"));
    results.lines(list, [...first, ...lines.filter((line) => !first.includes(line))], first.length - 1);
  } catch (error) {
    if (mine !== asks) return;
    results.lines(list, [error.message]);
    list.firstChild.className = "bad";
  }
}

// ---- a fit

async function start(asked = null) {
  if (studio.busy || studio.watched) return;
  clearTimeout(timer);
  asks += 1; // what was being estimated is not wanted any more
  studio.busy = true;
  $("start").disabled = true;
  await tried(async () => {
    if (!asked) {
      await again(sendMask);
      if (unmarked()) throw new Error(NEEDS_MASK);
    }
    const work = asked ? await server.start(studio.picture.id, asked) : await again(() => server.start(studio.picture.id, options.asked()));
    watch(work);
    $("stop").focus();
    $("said").textContent = `${work.picture.name} is being restored.`;
  });
  $("start").disabled = false;
  studio.busy = false;
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
  shownIn(work.options.data_range ?? null);
  $("after").src = $("picture").src;
  editor.show("watch", false);
  ofItsShape(work);
  follow(work);
}

function ofItsShape(work) { // a slice has another shape than its sinogram: there is no before and after
  const [w, h] = work.shape, [bw, bh] = [work.picture.width, work.picture.height];
  const alike = Math.abs(w * bh - h * bw) <= Math.max(w, h, bw, bh);
  $("picture").hidden = !alike;
  if (!alike) {
    editor.resize(w, h);
    $("split").hidden = $("divider").hidden = true;
    editor.stage.style.setProperty("--split", "0%");
    $("after").hidden = !work.preview && work.state === "fitting";
  } else if (editor.width !== studio.picture.view[0] || editor.height !== studio.picture.view[1]) editor.resize(...studio.picture.view);
}

function follow(work) {
  $("progress").max = Math.max(1, work.total);
  $("progress").value = work.made;
  $("told").textContent = results.told(work);
  $("phase").textContent = work.stopping ? "Stopping at the next logged step …" : `${results.clock(work.seconds)} so far.${work.fits ? " It may stop by itself before the last step." : ""}`;
  $("stop").disabled = work.stopping;
  results.lines($("messages"), work.lines);
  results.curve(document.querySelector("#running .curve"), work);
  document.title = work.total ? `${Math.round((100 * work.made) / work.total)}% · dip_jax studio` : "dip_jax studio";
  if (work.preview !== studio.preview) {
    studio.preview = work.preview;
    $("after").hidden = false;
    swap($("after"), server.previewOf(work.number, work.preview), work.number);
    $("close-up").hidden = !work.close_up;
    if (work.close_up) swap($("part"), server.previewOf(work.number, work.preview, true), work.number);
  }
}

function swap(image, url, number) { // without a flash of nothing
  const next = new Image();
  next.onload = () => { if (studio.watched === number) image.src = url; };
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
    show(work);
    $("t-done").focus();
    $("said").textContent = `${work.picture.name} is restored. ${work.result.why}`;
    return;
  }
  if (studio.works.length) tried(async () => show(await server.work(studio.works.at(-1)))).then(() => problem(work.error));
  else {
    toPaint();
    problem(work.error);
  }
}

// ---- a result

function show(work) {
  studio.shown = work;
  const { result } = work;
  $("asking").hidden = true;
  $("asking").disabled = true;
  $("running").hidden = true;
  $("done").hidden = false;
  shownIn(work.options.data_range ?? null);
  $("after").src = server.viewOfResult(work.number, "after");
  editor.show("compare", false);
  ofItsShape(work);
  $("show-uncertainty").hidden = result.uncertainty === null;
  $("uncertain").checked = false;
  if (result.uncertainty !== null) {
    $("uncertainty").src = server.viewOfResult(work.number, "uncertainty");
    $("uncertainty-told").textContent = `Uncertainty: ±${Number(result.uncertainty.toPrecision(2))} where it is strongest`;
  }
  $("why").textContent = work.options.draft ? "This was a quick look. “Fit longer” makes the whole fit." : result.why;
  $("facts").textContent = results.facts(work);
  $("download").href = server.resultOf(work.number);
  $("download").download = result.file;
  $("download").textContent = `Download ${result.file}`;
  $("lossless-of").hidden = !result.lossless;
  if (result.lossless) {
    $("lossless").href = server.resultOf(work.number, true);
    $("lossless").download = $("lossless").textContent = result.lossless;
  }
  results.curve($("curve-of-result"), work);
  results.command(work, server.maskOfResult(work.number));
  results.lines($("messages-of-result"), work.lines);
  $("results").replaceChildren(...(studio.works.length > 1 ? studio.works.map((number, i) => {
    const input = element("input", { type: "radio", name: "result", value: String(number), checked: number === work.number });
    input.addEventListener("change", () => tried(async () => show(await server.work(number))));
    return element("label", {}, input, element("span", {}, `Result ${i + 1}`));
  }) : []));
}

function oneMore(changes) { // of the same mask, whatever has been painted since
  const { number, command, options: given } = studio.shown;
  const text = (value) => (Array.isArray(value) && typeof value[0] === "string" ? value.join(" ") : value);
  const asked = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, text(value)]));
  start({ command, options: { ...asked, ...changes(asked) }, like: number });
}

// ---- all together

async function tick() {
  try {
    if (studio.watched) {
      let work;
      try {
        work = await server.work(studio.watched);
      } catch (error) {
        if (error.status !== 404) throw error;
        toPaint();
        throw new Error("The studio was started anew, and the fit is gone: restore the picture again.");
      }
      if (work.state === "fitting") follow(work);
      else ended(work);
    } else {
      const { now, works } = await server.state();
      if (studio.watched) return setTimeout(tick, 1000);
      const left = studio.picture ? null : works.filter((work) => work.state === "done").at(-1);
      const other = now || left;
      $("elsewhere").hidden = !other || studio.busy;
      if (now) elsewhere(`${now.picture.name} is being restored, and one picture is at a time.`, "Watch it");
      else if (left) elsewhere(`${left.name} was restored.`, "Show it");
      studio.elsewhere = other && other.number;
    }
    if (studio.lost) {
      problem("");
      soon();
    }
    studio.lost = false;
  } catch (error) {
    studio.lost = Boolean(error.lost);
    problem(error.message);
  }
  return setTimeout(tick, 1000);
}

function elsewhere(text, button) {
  $("elsewhere").firstElementChild.textContent = text;
  $("elsewhere").lastElementChild.textContent = button;
}

async function turnTo(number) { // another fit, and its picture
  if (studio.busy) return;
  studio.busy = true;
  try {
    await turned(number);
  } finally {
    studio.busy = false;
  }
}

async function turned(number) {
  const work = await server.work(number);
  if (studio.picture && studio.picture.id !== work.picture.id) {
    await sendMask();
    studio.former = { id: studio.picture.id, name: studio.picture.name, file: studio.file };
    $("former").textContent = `Back to ${studio.former.name}`;
    $("former").hidden = false;
  }
  studio.works = await doneOf(work.picture.id);
  studio.file = null;
  choose(work.command);
  await take(await server.picture(work.picture.id));
  if (work.state === "fitting") watch(work);
  else if (work.state === "done") show(work);
  $(work.state === "fitting" ? "stop" : "t-done").focus();
}

async function back() { // to the picture that there was before
  const { id, file } = studio.former;
  $("former").hidden = true;
  const picture = await server.picture(id);
  [studio.file, studio.works] = [file, await doneOf(id)];
  await take(picture);
}

const doneOf = async (id) => (await server.state()).works.filter((one) => one.picture === id && one.state === "done").map((one) => one.number);

async function come() { // and come back after a reload
  studio.tasks = await server.tasks();
  $("tasks").replaceChildren(...studio.tasks.map((task) => {
    const input = element("input", { type: "radio", name: "task", value: task.name });
    input.addEventListener("change", () => choose(task.name));
    return element("label", {}, input, element("span", {}, task.line[0].toUpperCase() + task.line.slice(1)));
  }));
  choose("inpaint");
  const id = sessionStorage.getItem("picture");
  if (!id) return;
  let picture;
  try {
    picture = await server.picture(id);
  } catch (error) {
    if (error.status !== 404) throw error;
    sessionStorage.removeItem("picture");
    return;
  }
  const mine = (await server.state()).works.filter((work) => work.picture === id && ["fitting", "done"].includes(work.state));
  if (mine.length) await turnTo(mine.at(-1).number);
  else await take(picture);
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
  if (!$("asking").disabled) start();
});
$("stop").addEventListener("click", () => tried(async () => follow(await server.stop(studio.watched))));
$("elsewhere").querySelector("button").addEventListener("click", () => tried(() => turnTo(studio.elsewhere)));

let searches = 0, searching = 0;
async function suggest() {
  const mine = ++searches, { id } = studio.picture;
  $("suggest").disabled = true;
  $("marked").textContent = "Looking for scratches …";
  await tried(async () => {
    const layer = await again(() => server.marks(studio.picture.id, $("sensitivity").value, range()));
    if (mine === searches && id === studio.picture.id) await editor.suggest(layer);
    $("sensitivity-of").hidden = false;
  });
  if (mine !== searches) return;
  $("suggest").disabled = false;
  changed();
}
$("suggest").addEventListener("click", suggest);
$("sensitivity").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(suggest, 300);
});
$("mask-file").addEventListener("change", () => tried(async () => {
  const file = $("mask-file").files[0];
  if (!file) return;
  const { id } = studio.picture;
  const { layer, remarks } = await again(() => server.maskFile(studio.picture.id, file, $("mask-keeps").checked ? "keep" : "fill"));
  if (id !== studio.picture.id) return; // another was opened meanwhile
  await editor.add(layer);
  if (remarks.length) $("marked").textContent += ` (${remarks.join("; ")})`;
}).finally(() => { $("mask-file").value = ""; }));
$("uncertain").addEventListener("change", () => { $("uncertainty").hidden = !$("uncertain").checked; });
$("longer").addEventListener("click", () => oneMore((given) => {
  if (given.draft) return { draft: false };
  const { num_steps: steps, patience, parted } = studio.shown;
  const sets = (given.set || "").split(/\s+/).filter((word) => word && !/^(stop\.patience|parts\.steps)=/.test(word));
  if (patience) sets.push(`stop.patience=${2 * patience}`);
  if (parted) sets.push(`parts.steps=${2 * steps}`);
  return { steps: Math.max(2 * steps, given.steps || 0), set: sets.join(" ") };
}));
$("another").addEventListener("click", () => oneMore((given) => ({ seed: (given.seed || 0) + (given.seeds || 1) })));
$("mean").addEventListener("click", () => oneMore(() => ({ seeds: 4 })));
$("option-draft").addEventListener("change", soon);
$("show-results").addEventListener("click", () => tried(async () => show(await server.work(studio.works.at(-1)))));
$("former").addEventListener("click", () => tried(back));
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

tried(come).then(tick);
