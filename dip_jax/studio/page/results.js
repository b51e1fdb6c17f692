// A fit while it goes on, and what has come of it.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

export function clock(seconds) {
  const s = Math.max(0, Math.ceil(seconds));
  const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s % 60} s` : `${s} s`;
}

export function lines(list, texts, strong = -1) {
  list.replaceChildren(...texts.map((text, i) => {
    const item = document.createElement("li");
    item.textContent = text;
    item.classList.toggle("strong", i === strong);
    return item;
  }));
}

function shape(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// The PSNR on held-out pixels: of the moving average, and faintly of the output.
export function curve(box, work) {
  const points = work.curve.filter((p) => p[1] !== null);
  if (points.length < 2) {
    box.replaceChildren();
    return;
  }
  const [W, H, L, R, T, B] = [320, 130, 34, 8, 8, 20];
  const last = Math.max(work.num_steps || 0, points.at(-1)[0]);
  const all = points.flatMap((p) => [p[1], p[2]]).filter((v) => v !== null).sort((a, b) => a - b);
  const top = all.at(-1) + 0.5, bottom = Math.max(all[Math.floor(all.length / 20)], top - 25) - 0.5;
  const x = (step) => L + ((W - L - R) * step) / last;
  const y = (value) => T + ((H - T - B) * (top - Math.min(top, Math.max(bottom, value)))) / (top - bottom);
  const path = (i) => points.filter((p) => p[i] !== null).map((p, n) => `${n ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[i]).toFixed(1)}`).join("");
  const svg = shape("svg", { viewBox: `0 0 ${W} ${H}` });
  svg.append(
    shape("line", { class: "axis", x1: L, y1: H - B, x2: W - R, y2: H - B }),
    shape("line", { class: "axis", x1: L, y1: T, x2: L, y2: H - B }),
    shape("text", { x: L - 4, y: T + 8, "text-anchor": "end" }, top.toFixed(0)),
    shape("text", { x: L - 4, y: H - B, "text-anchor": "end" }, bottom.toFixed(0)),
    shape("text", { x: L, y: H - 6 }, "0"),
    shape("text", { x: (L + W - R) / 2, y: H - 6, "text-anchor": "middle" }, "steps; dB on held-out pixels"),
    shape("text", { x: W - R, y: H - 6, "text-anchor": "end" }, String(last)),
    shape("path", { class: "faint", d: path(2) }),
    shape("path", { class: "line", d: path(1) }),
  );
  box.replaceChildren(svg);
  box.setAttribute("aria-label", `PSNR on held-out pixels over the steps: ${points.at(-1)[1].toFixed(1)} dB at step ${points.at(-1)[0]}`);
}

export function told(work) {
  const parts = [];
  if (work.step) {
    if (work.parts > 1) parts.push(`part ${work.part + 1} of ${work.parts}`);
    parts.push(`step ${work.step} of ${work.num_steps}`);
    const seeds = work.options.seeds || 1;
    if (seeds > 1) parts.push(`seed ${work.seed}`);
  } else parts.push(work.fits ? "Compiling; the first time this takes a minute" : "Restoring with no network");
  if (work.total && work.made >= work.total) parts.push("finishing the result");
  else if (work.step && work.left !== null) parts.push(`at most ${clock(work.left)} left`);
  return parts.join(" · ");
}

export function facts(work) {
  const { result } = work, found = [];
  found.push(`${result.width} × ${result.height} pixels`, `${result.steps} steps`, clock(work.seconds));
  const seeds = Object.keys(result.chosen).length;
  if (seeds > 1) found.push(`mean of ${seeds} seeds`);
  const held = result.heldout.mean ?? result.heldout.avg ?? result.heldout.out;
  if (typeof held === "number") found.push(`${held.toFixed(1)} dB on held-out pixels`);
  const failed = Object.values(result.failed);
  if (failed.length) found.push(`failed: ${failed[0]}`);
  return found.join(" · ");
}

export function command(work, maskUrl) {
  const { result } = work;
  $("as-command").textContent = result.command;
  $("as-python").textContent = result.python;
  $("python").hidden = !result.python;
  $("mask-wanted").hidden = !result.mask;
  if (result.mask) {
    $("mask-download").textContent = result.mask;
    $("mask-download").href = maskUrl;
    $("mask-download").download = result.mask;
  }
}
