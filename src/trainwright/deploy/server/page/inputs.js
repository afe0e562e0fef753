// One field for each input of the model, by its type; what is typed is sent as it is, so that the model's rules read it, not the page's.

import { tag } from "./markup.js";
import { recordButton } from "./record.js";

const MENU = 200; // more values than these are typed, with suggestions
const BOXES = 16; // more words of a set than these are typed
const EMPTY = "— nothing —";

/** {node, read, write, fault, complain}: `read` gives what is sent of it (a File, a value, null), `fault` why it gives nothing yet, `write` shows a value. */
export function makeField(input, index) {
  const id = `input-${index}`;
  const made = maker(input)(input, id);
  const wrong = tag("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const hint = made.hint ? tag("p", { class: "hint", id: `${id}-hint` }, made.hint) : null;
  const kind = tag("span", { class: "kind" }, input.type + (input.nullable ? ", may be empty" : ""));
  const name = made.group ? tag("span", { class: "name", id: `${id}-name` }, input.name, kind) : tag("label", { class: "name", for: id }, input.name, kind);
  const group = made.group ? { role: "group", "aria-labelledby": `${id}-name` } : {};
  const node = tag("div", { class: "field", "data-name": input.name, "data-type": input.type, ...group }, name, tag("div", {}, made.node, hint, wrong));
  const control = made.control || made.node;
  if (hint) control.setAttribute("aria-describedby", hint.id);
  return { input, node, read: made.read, write: made.write, fault: made.fault || (() => ""), control, complain: (text) => complain(control, wrong, hint, text) };
}

function complain(control, wrong, hint, text) {
  wrong.textContent = text || "";
  wrong.hidden = !text;
  control.setAttribute("aria-invalid", text ? "true" : "false");
  const described = [hint && hint.id, text && wrong.id].filter(Boolean).join(" ");
  if (described) control.setAttribute("aria-describedby", described);
  else control.removeAttribute("aria-describedby");
}

function maker(input) {
  if (input.file) return fileField;
  if (Array.isArray(input.values)) {
    if (input.type === "set" || input.type === "bag") return input.values.length <= BOXES && input.type === "set" ? boxesField : wordsField;
    return input.values.length <= MENU ? menuField : suggestedField;
  }
  const byType = { number: numberField, text: textField, sequence: textField, date: dateField, vector: numbersField, timeseries: numbersField, set: wordsField, bag: wordsField };
  return byType[input.type] || (Array.isArray(input.shape) ? arrayField : plainField);
}

function numberField(input, id) {
  const node = tag("input", { id, type: "text", inputmode: "decimal", autocomplete: "off" });
  const known = typeof input.low === "number" && typeof input.high === "number";
  return {
    node,
    hint: known ? `in training from ${Number(input.low.toPrecision(6))} to ${Number(input.high.toPrecision(6))}` : "",
    read: () => asNumber(node.value),
    write: (value) => { node.value = value ?? ""; },
  };
}

/** A number where the text is one and no digit of it is lost, or else the text itself. */
function asNumber(text) {
  const written = text.trim();
  if (written === "") return null;
  const value = Number(written);
  return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : written;
}

function menuField(input, id) {
  const nothing = tag("option", { value: "" }, EMPTY);
  const values = input.values.map((each, place) => tag("option", { value: String(place) }, String(each)));
  const node = tag("select", { id }, nothing, values);
  return {
    node,
    read: () => (node.value === "" ? null : input.values[Number(node.value)]),
    write: (value) => {
      const place = input.values.findIndex((each) => String(each) === String(value));
      node.value = value === null || value === undefined || place < 0 ? "" : String(place);
    },
  };
}

function suggestedField(input, id) {
  const list = tag("datalist", { id: `${id}-known` }, input.values.map((each) => tag("option", { value: String(each) })));
  const control = tag("input", { id, type: "text", list: list.id, autocomplete: "off" });
  return {
    node: tag("div", {}, control, list),
    control,
    hint: `${input.values.length.toLocaleString("en")} values are known`,
    read: () => (control.value === "" ? null : control.value),
    write: (value) => { control.value = value ?? ""; },
  };
}

function textField(input, id) {
  const node = tag("textarea", { id, rows: 3, autocomplete: "off" });
  return { node, read: () => (node.value === "" ? null : node.value), write: (value) => { node.value = Array.isArray(value) ? value.join(" ") : value ?? ""; } };
}

function plainField(input, id) {
  const node = tag("input", { id, type: "text", autocomplete: "off" });
  return { node, read: () => (node.value === "" ? null : node.value), write: (value) => { node.value = value ?? ""; } };
}

function dateField(input, id) {
  const days = input.times === false; // training had none but whole days
  const node = tag("input", days ? { id, type: "date" } : { id, type: "datetime-local", step: 1 });
  return {
    node,
    read: () => (node.value === "" ? null : node.value),
    fault: () => (node.validity.badInput ? `it is filled in by half: give ${days ? "day, month and year" : "the day and the time"}, or nothing` : ""),
    write: (value) => { node.value = value ? String(value).slice(0, days ? 10 : 19).replace(" ", "T") : ""; },
  };
}

function numbersField(input, id) {
  const node = tag("textarea", { id, rows: 2, inputmode: "decimal", autocomplete: "off" });
  return {
    node,
    hint: input.length ? `${input.length} numbers, with spaces between` : "numbers, with spaces between",
    read: () => (node.value.trim() === "" ? null : node.value.trim().split(/[\s;]+/).map(asNumber)),
    write: (value) => { node.value = Array.isArray(value) ? value.join(" ") : value ?? ""; },
  };
}

function boxesField(input, id) {
  const boxes = input.values.map((each, place) => tag("input", { type: "checkbox", id: place ? `${id}-${place}` : id, value: String(place) }));
  const labels = boxes.map((box, place) => tag("label", {}, box, String(input.values[place])));
  return {
    node: tag("div", { class: "choices" }, labels),
    control: boxes[0],
    group: true,
    hint: "none ticked: not known, as an empty cell is",
    read: () => orNothing(input.values.filter((_, place) => boxes[place].checked)),
    write: (value) => boxes.forEach((box, place) => { box.checked = Array.isArray(value) && value.map(String).includes(String(input.values[place])); }),
  };
}

/** A list, or null for an empty one: a field with nothing in it is a cell with nothing in it. */
const orNothing = (list) => (list.length ? list : null);

function wordsField(input, id) {
  const node = tag("textarea", { id, rows: 2, autocomplete: "off" });
  const some = (input.values || []).slice(0, 8).join(", ");
  return {
    node,
    hint: `one on each line${some ? `, such as ${some}` : ""}`,
    read: () => orNothing(node.value.split("\n").map((each) => each.trim()).filter(Boolean)),
    write: (value) => { node.value = Array.isArray(value) ? value.join("\n") : value ?? ""; },
  };
}

function arrayField(input, id) {
  const node = tag("textarea", { id, rows: 3, autocomplete: "off", spellcheck: "false" });
  return {
    node,
    hint: `numbers as JSON, ${input.shape.map((each) => each ?? "any").join(" × ") || "one"}`,
    read: () => asJson(node.value),
    write: (value) => { node.value = value === null || value === undefined ? "" : JSON.stringify(value); },
  };
}

function asJson(text) {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text; // the server says what is wrong with it
  }
}

function fileField(input, id) {
  const control = tag("input", { id, type: "file", accept: input.accept || null });
  const shown = tag("div", { class: "shown" });
  const node = tag("div", { class: "drop" }, control, shown);
  let address = "";
  const show = () => {
    if (address) URL.revokeObjectURL(address);
    const file = control.files[0];
    address = file ? URL.createObjectURL(file) : "";
    shown.replaceChildren(...(file ? preview(file, address) : []));
  };
  control.addEventListener("change", show);
  node.addEventListener("dragover", (event) => { event.preventDefault(); node.classList.add("over"); });
  node.addEventListener("dragleave", () => node.classList.remove("over"));
  node.addEventListener("drop", (event) => {
    event.preventDefault();
    node.classList.remove("over");
    if (event.dataTransfer.files.length) { control.files = event.dataTransfer.files; show(); }
  });
  const take = (file) => {
    const chosen = new DataTransfer();
    chosen.items.add(file);
    control.files = chosen.files;
    show();
  };
  const button = input.microphone ? recordButton(input.name, input.rate, take, (text) => shown.replaceChildren(tag("p", { class: "wrong" }, text))) : null;
  if (button) control.after(button);
  const shape = Array.isArray(input.shape) && input.shape.length ? ` · read as ${input.shape.map((each) => each ?? "any").join(" × ")}` : "";
  return {
    node,
    control,
    hint: `${input.accept ? input.accept.replaceAll(",", ", ") : "a file"}${shape}, or drop it here`,
    read: () => control.files[0] || null,
    write: (value) => { if (value === null || value === undefined) { control.value = ""; show(); } },
  };
}

function preview(file, address) {
  const said = tag("p", { class: "hint" }, `${file.name}, ${Math.ceil(file.size / 1024).toLocaleString("en")} kB`);
  if (file.type.startsWith("image/")) return [tag("img", { src: address, alt: `The picture ${file.name}` })];
  if (file.type.startsWith("audio/")) return [tag("audio", { src: address, controls: true, "aria-label": file.name }), said];
  return [said];
}
