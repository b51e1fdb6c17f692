// The stage: the picture, what is painted on it, zoom, and before beside after.

const RGBA = [255, 64, 48, 255];
const COLOUR = "rgb(255, 64, 48)";
const MOST_UNDO = 256 * 2 ** 20; // bytes
const $ = (id) => document.getElementById(id);

export class Editor {
  constructor(onChange) {
    this.onChange = onChange;
    this.mode = "empty"; // "paint", "watch", "compare"
    this.tool = "brush";
    this.size = 24;
    this.width = this.height = 0;
    this.scale = 1;
    this.x = this.y = 0; // of the sheet's corner on the stage
    this.fitted = true;
    this.pointers = new Map();
    this.undone = [];
    this.done = [];
    this.stage = $("stage");
    this.canvas = $("mask");
    this.pen = this.canvas.getContext("2d", { willReadFrequently: true });
    this.before = document.createElement("canvas"); // the mask as it was before a stroke
    this.beforePen = this.before.getContext("2d", { willReadFrequently: true });
    this.listen();
  }

  // ---- the picture

  open(url, width, height) {
    [this.width, this.height] = [width, height];
    $("picture").src = url;
    $("sheet").style.width = `${width}px`;
    $("sheet").style.height = `${height}px`;
    for (const canvas of [this.canvas, this.before]) [canvas.width, canvas.height] = [width, height];
    this.done = [];
    this.undone = [];
    $("sheet").hidden = false;
    this.stage.classList.remove("empty");
    this.stage.tabIndex = 0;
    this.stage.setAttribute("role", "application");
    this.stage.setAttribute("aria-label", "The picture. Arrows move the brush, Enter paints, plus and minus zoom.");
    this.cursor = [width / 2, height / 2];
    this.suggestion = null;
    this.stroke = null;
    this.fit();
  }

  resize(width, height) { // for a result of another shape
    [this.width, this.height] = [width, height];
    $("sheet").style.width = `${width}px`;
    $("sheet").style.height = `${height}px`;
    this.fit();
  }

  show(mode, fills) {
    this.mode = mode;
    const paints = mode === "paint" && fills;
    this.canvas.hidden = !paints;
    $("tools").hidden = !paints;
    $("zooms").hidden = mode === "empty";
    document.querySelector(".keys").hidden = !paints;
    $("split").hidden = mode !== "compare";
    $("divider").hidden = mode !== "compare";
    $("after").hidden = mode === "paint";
    $("uncertainty").hidden = true;
    this.stage.style.setProperty("--split", mode === "compare" ? `${$("split-at").value}%` : "0%");
    this.cursors();
  }

  cursors() {
    const paints = this.mode === "paint" && !this.canvas.hidden && this.tool !== "hand";
    this.stage.classList.toggle("paints", paints);
    this.stage.classList.toggle("moves", !paints && this.mode !== "compare");
    this.stage.classList.toggle("compares", this.mode === "compare");
    if (!paints) $("ring").hidden = true;
  }

  // ---- zoom

  place() {
    $("sheet").style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    $("sheet").classList.toggle("large", this.scale > 2);
    $("divider").style.transform = `scaleX(${1 / this.scale})`;
    $("zoom-told").textContent = `${Math.round(100 * this.scale)}%`;
  }

  fit() {
    const { clientWidth: w, clientHeight: h } = this.stage;
    this.scale = Math.min(w / this.width, h / this.height, 8) || 1;
    this.x = (w - this.scale * this.width) / 2;
    this.y = (h - this.scale * this.height) / 2;
    this.fitted = true;
    this.place();
  }

  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.min(32, Math.max(0.02, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.keepInSight();
    this.place();
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.keepInSight();
    this.place();
  }

  keepInSight() {
    const { clientWidth: w, clientHeight: h } = this.stage;
    const least = 60;
    this.x = Math.min(w - least, Math.max(least - this.scale * this.width, this.x));
    this.y = Math.min(h - least, Math.max(least - this.scale * this.height, this.y));
  }

  at(event) { // in pixels of the sheet
    const box = this.stage.getBoundingClientRect();
    return [(event.clientX - box.left - this.x) / this.scale, (event.clientY - box.top - this.y) / this.scale];
  }

  // ---- painting

  begin([x, y], erases) {
    this.stroke = { erases, box: null, last: [x, y] };
    this.dab([x, y]);
  }

  dab([x, y]) {
    const pen = this.pen, stroke = this.stroke, [lx, ly] = stroke.last, r = this.size / 2;
    pen.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
    pen.strokeStyle = pen.fillStyle = COLOUR;
    pen.lineWidth = this.size;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    if (lx === x && ly === y) {
      pen.arc(x, y, r, 0, 2 * Math.PI);
      pen.fill();
    } else {
      pen.moveTo(lx, ly);
      pen.lineTo(x, y);
      pen.stroke();
    }
    stroke.last = [x, y];
    const b = stroke.box || [x, y, x, y];
    stroke.box = [Math.min(b[0], x - r, lx - r), Math.min(b[1], y - r, ly - r), Math.max(b[2], x + r, lx + r), Math.max(b[3], y + r, ly + r)];
  }

  end() {
    const box = this.stroke && this.stroke.box;
    this.stroke = null;
    if (box) this.keep(box);
  }

  cancel() { // a stroke that was none
    const box = this.stroke && this.stroke.box;
    this.stroke = null;
    if (!box) return;
    const [x, y, w, h] = this.inside(box);
    if (w > 0 && h > 0) this.pen.putImageData(this.beforePen.getImageData(x, y, w, h), x, y);
  }

  inside(box) {
    const x = Math.max(0, Math.floor(box[0]) - 2), y = Math.max(0, Math.floor(box[1]) - 2);
    return [x, y, Math.min(this.width, Math.ceil(box[2]) + 2) - x, Math.min(this.height, Math.ceil(box[3]) + 2) - y];
  }

  keep(box, suggestion = this.suggestion) { // what has changed within a box can be undone
    const [x, y, w, h] = this.inside(box);
    if (w <= 0 || h <= 0) return;
    const step = { suggestions: [this.suggestion, suggestion], x, y, old: this.beforePen.getImageData(x, y, w, h), now: this.pen.getImageData(x, y, w, h) };
    this.beforePen.putImageData(step.now, x, y);
    this.suggestion = suggestion;
    this.done.push(step);
    let bytes = this.done.reduce((sum, one) => sum + 2 * one.old.data.length, 0);
    while (bytes > MOST_UNDO && this.done.length > 1) bytes -= 2 * this.done.shift().old.data.length;
    this.undone = [];
    this.onChange();
  }

  undo() {
    const step = this.done.pop();
    if (!step) return;
    for (const pen of [this.pen, this.beforePen]) pen.putImageData(step.old, step.x, step.y);
    [this.suggestion] = step.suggestions;
    this.undone.push(step);
    this.onChange();
  }

  redo() {
    const step = this.undone.pop();
    if (!step) return;
    for (const pen of [this.pen, this.beforePen]) pen.putImageData(step.now, step.x, step.y);
    [, this.suggestion] = step.suggestions;
    this.done.push(step);
    this.onChange();
  }

  clear() {
    this.pen.clearRect(0, 0, this.width, this.height);
    this.keep([0, 0, this.width, this.height]);
  }

  async read(layer) { // marks that come from elsewhere, as pixels
    const bitmap = await createImageBitmap(layer);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.canvas.width, this.canvas.height];
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  }

  change(decide) { // every pixel of the mask: on, off, or as it is (null)
    const { width, height } = this.canvas;
    const pixels = this.pen.getImageData(0, 0, width, height), data = pixels.data;
    let [left, top, right, bottom] = [width, height, -1, -1];
    for (let i = 3, n = 0; i < data.length; i += 4, n += 1) {
      const on = decide(i);
      if (on === null || on === (data[i] > 127)) continue;
      [data[i - 3], data[i - 2], data[i - 1], data[i]] = on ? RGBA : [0, 0, 0, 0];
      const x = n % width, y = (n - x) / width;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
    this.pen.putImageData(pixels, 0, 0);
    return [left, top, right + 1, bottom + 1];
  }

  async add(layer) {
    const marks = (await this.read(layer)).data;
    this.keep(this.change((i) => (marks[i] > 127 ? true : null)));
  }

  async suggest(layer) { // in place of the last suggestion; what was rubbed out of both stays so
    const marks = (await this.read(layer)).data, last = this.suggestion;
    const box = this.change((i) => {
      const [is, was] = [marks[i] > 127, last !== null && last[i] > 127];
      return is === was ? null : is;
    });
    if (box[2] > 0) this.keep(box, marks);
  }

  share() { // of the picture that is marked
    const { width, height } = this.canvas;
    const data = this.pen.getImageData(0, 0, width, height).data;
    let count = 0;
    for (let i = 3; i < data.length; i += 4) count += data[i] > 127;
    return count / (width * height);
  }

  layer() {
    return new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }

  // ---- what a person does

  setTool(tool) {
    this.tool = tool;
    document.querySelector(`input[name=tool][value=${tool}]`).checked = true;
    this.cursors();
  }

  setSize(size) {
    this.size = Math.min(200, Math.max(1, Math.round(size)));
    $("size").value = $("size-told").value = this.size;
    this.ring();
  }

  ring() {
    const paints = this.stage.classList.contains("paints") && this.cursor;
    $("ring").hidden = !paints;
    if (!paints) return;
    const d = Math.max(3, this.size * this.scale);
    $("ring").style.width = $("ring").style.height = `${d}px`;
    const [x, y] = this.cursor;
    $("ring").style.transform = `translate(${this.x + x * this.scale - d / 2}px, ${this.y + y * this.scale - d / 2}px)`;
  }

  split(percent) {
    $("split-at").value = percent;
    this.stage.style.setProperty("--split", `${percent}%`);
  }

  listen() {
    const stage = this.stage;
    new ResizeObserver(() => { if (this.width && this.fitted) this.fit(); }).observe(stage);
    stage.addEventListener("wheel", (event) => {
      if (this.mode === "empty") return;
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
      this.ring();
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.up(event));
    stage.addEventListener("pointerleave", () => { if (!this.stroke) $("ring").hidden = true; });
    stage.addEventListener("contextmenu", (event) => { if (this.mode === "paint") event.preventDefault(); });
    stage.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keydown", (event) => this.keyAnywhere(event));
    document.addEventListener("keyup", (event) => { if (event.key === " " && this.held) { this.held = false; this.setTool(this.heldTool); } });
    for (const input of document.querySelectorAll("input[name=tool]")) input.addEventListener("change", () => this.setTool(input.value));
    $("size").addEventListener("input", () => this.setSize(+$("size").value));
    $("undo").addEventListener("click", () => this.undo());
    $("redo").addEventListener("click", () => this.redo());
    $("clear").addEventListener("click", () => this.clear());
    $("in").addEventListener("click", () => this.zoom(1.5));
    $("out").addEventListener("click", () => this.zoom(1 / 1.5));
    $("fit").addEventListener("click", () => this.fit());
    $("real").addEventListener("click", () => this.zoom(1 / this.scale));
    $("split-at").addEventListener("input", () => this.split(+$("split-at").value));
  }

  down(event) {
    if (this.mode === "empty" || event.target.closest("label")) return;
    try {
      this.stage.setPointerCapture(event.pointerId);
    } catch { /* a pointer that has gone already */ }
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 2) { // two fingers move and zoom: what one has begun is taken back
      this.cancel();
      return;
    }
    const paints = this.stage.classList.contains("paints") && event.button !== 1;
    if (paints && this.pointers.size === 1) {
      this.cursor = this.at(event);
      this.begin(this.cursor, this.tool === "eraser" || event.button === 2);
    } else if (this.mode === "compare" && event.button === 0) this.compare(event);
    this.ring();
  }

  moved(event) {
    const last = this.pointers.get(event.pointerId);
    if (this.stage.classList.contains("paints") && event.pointerType !== "touch") {
      this.cursor = this.at(event);
      this.ring();
    }
    if (!last) return;
    if (this.pointers.size === 2) {
      const other = [...this.pointers.values()].find((p) => p.pointerId !== event.pointerId);
      const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
      const box = this.stage.getBoundingClientRect();
      const x = (event.clientX + other.clientX) / 2 - box.left, y = (event.clientY + other.clientY) / 2 - box.top;
      this.zoom(apart(event) / Math.max(1, apart(last)), x, y);
      this.move((event.clientX - last.clientX) / 2, (event.clientY - last.clientY) / 2);
    } else if (this.stroke) {
      for (const one of event.getCoalescedEvents?.() || []) this.dab(this.at(one));
      this.dab(this.at(event));
      this.cursor = this.at(event);
    } else if (this.mode === "compare" && last.button === 0) this.compare(event);
    else this.move(event.clientX - last.clientX, event.clientY - last.clientY);
    this.pointers.set(event.pointerId, Object.assign(event, {}));
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.stroke) this.end();
    if (event.pointerType === "touch") $("ring").hidden = true;
  }

  compare(event) {
    const [x] = this.at(event);
    this.split(Math.min(100, Math.max(0, (100 * x) / this.width)));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = arrows[event.key];
    if (way && this.mode !== "empty") {
      event.preventDefault();
      if (this.mode === "compare") this.split(Math.min(100, Math.max(0, +$("split-at").value + 2 * way[0])));
      else if (this.stage.classList.contains("paints")) {
        const step = event.shiftKey ? 1 : Math.max(1, this.size / 2);
        this.cursor = [Math.min(this.width, Math.max(0, this.cursor[0] + step * way[0])), Math.min(this.height, Math.max(0, this.cursor[1] + step * way[1]))];
        this.ring();
      } else this.move(-40 * way[0], -40 * way[1]);
    } else if (event.key === "Enter" && this.stage.classList.contains("paints")) {
      event.preventDefault();
      this.begin(this.cursor, this.tool === "eraser");
      this.end();
    }
  }

  keyAnywhere(event) {
    if (this.mode === "empty" || event.target.closest("input:not([type=radio]):not([type=checkbox]):not([type=range]), select, textarea")) return;
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === "z" && !this.canvas.hidden) {
      event.preventDefault();
      if (event.shiftKey) this.redo();
      else this.undo();
    } else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (key === "b") this.setTool("brush");
    else if (key === "e") this.setTool("eraser");
    else if (key === "h") this.setTool("hand");
    else if (key === "[") this.setSize(this.size / 1.25 - 0.5);
    else if (key === "]") this.setSize(this.size * 1.25 + 0.5);
    else if (key === "+" || key === "=") this.zoom(1.5);
    else if (key === "-") this.zoom(1 / 1.5);
    else if (key === "0") this.fit();
    else if (key === "1" && event.target === this.stage) this.zoom(1 / this.scale);
    else if (key === " " && event.target === this.stage && !this.held) {
      event.preventDefault();
      [this.held, this.heldTool] = [true, this.tool];
      this.setTool("hand");
    }
  }
}
