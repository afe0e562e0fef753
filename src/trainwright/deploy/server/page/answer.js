// The answer: what is predicted of each target, how probable each class is, and what was left aside.

import { listed, percent, styled, tag, words } from "./markup.js";

const SHOWN = 6;

export function showAnswer(schema, found) {
  const row = found.predictions[0];
  const targets = schema.outputs.map((output) => showTarget(output, row));
  return [showNotes(found.notes), ...targets].filter(Boolean);
}

function showTarget(output, row) {
  const { prediction, probability, low, high, set } = output.columns;
  const value = row[prediction];
  const parts = [tag("h3", {}, output.name), showValue(value, prediction)];
  if (low && high) parts.push(tag("p", { class: "soft" }, "between ", held(row[low], low), " and ", held(row[high], high)));
  if (set) parts.push(tag("p", { class: "soft" }, "one of ", held(row[set], set)));
  if (probability) parts.push(showClasses(probability, row, value));
  return tag("div", { class: "target", "data-target": output.name }, parts);
}

/** A value that a person reads in short, and a program in full. */
function held(value, key) {
  return tag("span", { "data-key": key, "data-value": JSON.stringify(value), title: typeof value === "number" ? value : null }, words(value, 400));
}

function showValue(value, key) {
  const none = value === null || value === undefined || (Array.isArray(value) && !value.length);
  const text = none ? "nothing" : Array.isArray(value) ? value.map((each) => words(each)).join(", ") : words(value, 400);
  const look = none ? "value none" : text.length > 24 ? "value long" : "value";
  return tag("p", { class: look, "data-key": key, "data-value": JSON.stringify(value ?? null), title: typeof value === "number" ? value : null }, text);
}

function showClasses(columns, row, value) {
  const chosen = new Set((Array.isArray(value) ? value : [value]).map(String));
  const found = Object.entries(columns).map(([name, key]) => ({ name, key, share: row[key], chosen: chosen.has(name) }));
  found.sort((one, other) => (other.share ?? -1) - (one.share ?? -1));
  const first = classTable(found.slice(0, SHOWN));
  if (found.length <= SHOWN) return first;
  const rest = tag("details", {}, tag("summary", {}, `${found.length - SHOWN} more`), classTable(found.slice(SHOWN)));
  return tag("div", {}, first, rest);
}

function classTable(found) {
  const rows = found.map(({ name, key, share, chosen }) => {
    const bar = styled(tag("i", { class: "bar" }), { left: "0", width: `${100 * (share ?? 0)}%` });
    const cell = tag("td", { class: "num", "data-key": key, "data-value": JSON.stringify(share ?? null), title: share }, share === null || share === undefined ? "–" : percent(share));
    return tag("tr", { class: chosen ? "chosen" : null }, tag("th", { scope: "row" }, name), tag("td", {}, tag("span", { class: "track" }, bar)), cell);
  });
  return tag("table", { class: "chart bars" }, tag("tbody", {}, rows));
}

const TOLD = {
  missing: "nothing was given, and what training does then was done",
  unknown: "not seen in training, and counts as unknown",
  invalid: "none of its type, and counts as missing",
};

/** What was done with values that are not as in training, by what was done. */
function showNotes(notes) {
  const found = notes || {}, byKind = {};
  for (const [name, counts] of Object.entries(found.columns || {})) {
    for (const what of Object.keys(counts)) (byKind[what] = byKind[what] || []).push(name);
  }
  const lines = Object.entries(byKind).map(([what, names]) => `${listed(names)}: ${TOLD[what] || what}`);
  if ((found.ignored || []).length) lines.push(`not an input, and left aside: ${listed(found.ignored)}`);
  if ((found.unanswered || []).length) lines.push("the model was trained to leave out rows that lack such a value");
  return lines.length ? tag("ul", { class: "notes" }, lines.map((each) => tag("li", {}, each))) : null;
}

/** Refusals as they are said everywhere in Trainwright: what, where, why, and what to do. */
export function showRefusal(refused) {
  return tag("div", { role: "alert" }, refused.errors.map((each) => tag("div", { class: "refused" }, [
    tag("p", {}, tag("strong", {}, each.what || "refused"), each.where ? ` (${each.where})` : ""),
    each.why ? tag("p", {}, each.why) : null,
    each.fix ? tag("p", { class: "soft" }, each.fix) : null,
  ])));
}

