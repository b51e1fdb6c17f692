// The options of a task, as the server lists them, as fields of a form.

const $ = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export class Options {
  constructor(onChange, onFile, onNoFile) {
    Object.assign(this, { onChange, onFile, onNoFile });
    this.files = {}; // the names of those that were given
    this.kept = {}; // what a person has set, by name, over all tasks
  }

  show(task) {
    this.task = task;
    this.fields = {};
    for (const [id, first] of [["first-options", true], ["more-options", false]]) {
      const some = task.options.filter((option) => option.first === first && option.name !== "draft" && (option.name !== "keep_known" || task.fills));
      $(id).replaceChildren(...some.map((option) => this.field(option)));
    }
  }

  field(option) {
    const id = `option-${option.name}`, help = element("span", { class: "help", id: `${id}-help` }, option.help);
    const described = { id, "aria-describedby": `${id}-help` };
    const kept = this.kept[option.name];
    let inputs, shown;
    if (option.kind === "check") {
      inputs = [element("input", { ...described, type: "checkbox", checked: kept === true })];
      shown = element("label", { class: "check" }, inputs[0], option.label);
    } else {
      if (option.kind === "choice") {
        const none = option.default === null || !option.choices.includes(option.default);
        const names = [...(none ? [""] : []), ...option.choices];
        inputs = [element("select", described, ...names.map((name) => element("option", { value: name }, name || "by default")))];
        inputs[0].value = kept ?? option.default ?? "";
      } else if (option.kind === "range") {
        inputs = [0, 1].map((i) => element("input", { type: "number", step: "any", placeholder: ["black", "white"][i], "aria-label": `${option.label}: ${["black", "white"][i]}`, "aria-describedby": `${id}-help` }));
        inputs.forEach((input, i) => { input.value = kept?.[i] ?? ""; });
      } else if (option.kind === "file") {
        inputs = [element("input", { ...described, type: "file", accept: "image/*,.tif,.tiff" })];
        inputs[0].addEventListener("change", async () => {
          if (inputs[0].files[0]) await this.onFile(option.name, inputs[0].files[0]);
          inputs[0].value = "";
        });
        if (this.files[option.name]) {
          const remove = element("button", { type: "button" }, "Remove");
          remove.addEventListener("click", () => this.onNoFile(option.name));
          inputs.push(element("p", { class: "small" }, `${this.files[option.name]} `, remove));
        }
      } else {
        const number = option.kind !== "text";
        inputs = [element("input", { ...described, type: number ? "number" : "text", placeholder: option.default === null || option.default === 0 ? "" : String(option.default) })];
        if (number) inputs[0].step = option.kind === "whole" ? "1" : "any";
        if (option.name === "set") inputs[0].placeholder = "learning_rate=0.005";
        inputs[0].value = kept ?? "";
      }
      const label = option.kind === "range" ? element("span", {}, option.label) : element("label", { for: id }, option.label);
      shown = label;
    }
    for (const input of inputs) {
      if (option.kind !== "file") input.addEventListener("input", () => { this.kept[option.name] = this.read(option, inputs); this.onChange(); });
    }
    this.fields[option.name] = { option, inputs };
    const body = option.kind === "check" ? [] : option.kind === "range" ? [element("div", { class: "pair" }, ...inputs)] : inputs;
    return element("div", { class: "field" }, shown, ...body, help);
  }

  read(option, inputs) {
    if (inputs.some((input) => input.validity?.badInput)) return undefined;
    const number = (input) => (input.value === "" ? null : Number(input.value));
    if (option.kind === "check") return inputs[0].checked;
    if (option.kind === "range") {
      const given = inputs.filter((input) => input.value !== "").length;
      return given === 1 ? undefined : given ? inputs.map(number) : null;
    }
    if (option.kind === "whole" || option.kind === "number") return number(inputs[0]);
    return inputs[0].value;
  }

  given(files) { // which files of options there are
    this.files = files;
    if (this.task) this.show(this.task);
  }

  clear() {
    this.kept = {};
    $("option-draft").checked = false;
    this.given({});
  }

  asked() {
    const options = { draft: $("option-draft").checked };
    for (const [name, { option, inputs }] of Object.entries(this.fields)) {
      if (option.kind === "file") continue;
      options[name] = this.read(option, inputs);
      if (options[name] === undefined) throw new Error(`“${option.label}” is ${option.kind === "range" ? "no pair of numbers; give both, or none" : "no number"}.`);
    }
    return { command: this.task.name, options };
  }
}
