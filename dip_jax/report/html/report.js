"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  document.documentElement.classList.add("js");

  // Before and after: the gallery's pictures, one over the other.
  const pictures = [...document.querySelectorAll(".gallery img")];
  const [stage, frame, split] = [find("stage"), find("frame"), find("split")];
  const [left, right] = [find("left"), find("right")];
  const restored = pictures[1];
  const [naturalWidth, naturalHeight] =
    ["width", "height"].map((name) => Number(restored.getAttribute(name)));

  function show(image, picture, name) {
    image.src = picture.src;
    image.alt = picture.alt;
    name.textContent = image.dataset.name = picture.dataset.name;
  }
  function compare() {
    const chosen = document.querySelector("input[name=with]:checked");
    show(left, pictures[chosen.value], find("left-name"));
    show(right, restored, find("right-name"));
    move();
  }
  function move() {
    frame.style.setProperty("--split", `${split.value}%`);
    split.setAttribute("aria-valuetext",
      `${split.value}% ${left.dataset.name}, ${100 - split.value}% ${right.dataset.name}`);
  }
  function resize() {
    const size = document.querySelector("input[name=size]:checked").value;
    let scale = Number(size);
    if (size === "fit") {
      const room = Math.min(stage.clientWidth / naturalWidth,
                            0.72 * window.innerHeight / naturalHeight);
      // Enlarged by a whole number of the screen's pixels, so that all pixels are equally large.
      const ratio = window.devicePixelRatio || 1;
      const whole = Math.floor(Math.min(room, 8) * ratio) / ratio;
      scale = room > 1 ? Math.max(whole, 1) : room;
    }
    frame.style.setProperty("width", `${Math.floor(naturalWidth * scale)}px`);
    frame.classList.toggle("enlarged", scale > 1);
    const scrolls = stage.scrollWidth > stage.clientWidth || stage.scrollHeight > stage.clientHeight;
    stage.classList.toggle("scrolls", scrolls);
    stage.tabIndex = scrolls ? 0 : -1;
    for (const picture of pictures) {
      picture.classList.toggle("enlarged", picture.clientWidth > naturalWidth);
    }
  }
  function drag(event) {
    const box = frame.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    split.value = Math.round(100 * Math.min(1, Math.max(0, share)));
    move();
  }
  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    // On a picture that scrolls, fingers scroll; the slider is beneath it.
    if (event.pointerType !== "mouse" && stage.classList.contains("scrolls")) return;
    frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) drag(event);
  });
  frame.addEventListener("dragstart", (event) => event.preventDefault());
  split.addEventListener("input", move);
  for (const choice of document.querySelectorAll("input[name=with]")) {
    choice.addEventListener("change", compare);
  }
  for (const choice of document.querySelectorAll("input[name=size]")) {
    choice.addEventListener("change", resize);
  }
  window.addEventListener("resize", resize);
  compare();
  resize();

  // The values along the curves.
  const step = find("step");
  if (step) {
    const { steps, low, high, cells } = JSON.parse(find("curves-data").textContent);
    const read = () => {
      const i = Number(step.value);
      const name = steps[i].toLocaleString("en");
      const x = `${100 * (steps[i] - low) / (high - low)}%`;
      for (const cursor of document.querySelectorAll(".cursor")) {
        cursor.setAttribute("x1", x);
        cursor.setAttribute("x2", x);
      }
      for (const cell of document.querySelectorAll("[data-cell]")) {
        cell.textContent = (cells[cell.dataset.cell] || [])[i] || "–";
      }
      find("step-value").textContent = find("values-step").textContent = name;
      step.setAttribute("aria-valuetext", `step ${name}`);
    };
    const point = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      const at = low + (high - low) * (event.clientX - box.left) / box.width;
      step.value = steps.reduce((best, other, i) =>
        Math.abs(other - at) < Math.abs(steps[best] - at) ? i : best, 0);
      read();
    };
    for (const plot of document.querySelectorAll("svg.plot")) {
      plot.addEventListener("pointermove", point);
      plot.addEventListener("pointerdown", point);
    }
    step.addEventListener("input", read);
  }

  // The command.
  const copy = find("copy");
  if (copy) {
    copy.addEventListener("click", async () => {
      const command = find("command");
      try {
        await navigator.clipboard.writeText(command.textContent);
        find("copied").textContent = "Copied.";
      } catch {
        window.getSelection().selectAllChildren(command);
        find("copied").textContent = "Selected: copy it with your keyboard.";
      }
    });
  }
})();
