// The page from its beginning: the schema is read, fields are made of it, and each question is asked twice: what, and why.

import { asCurl, askRow, getSchema, hasToken, Refused, useToken } from "./asking.js";
import { showAnswer, showRefusal } from "./answer.js";
import { showExplanation } from "./explained.js";
import { makeField } from "./inputs.js";
import { tag } from "./markup.js";

const at = (id) => document.getElementById(id);
const MANY = 20; // with more inputs than these there is a field to find one
let asked = 0;

async function begin() {
  let schema;
  try {
    schema = await getSchema();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 401) return askForToken(hasToken() ? "That is not its token." : "The server answers whoever knows its token.");
    at("told").replaceChildren(showRefusal(error));
    return undefined;
  }
  at("key").hidden = true;
  return showForm(schema);
}

function askForToken(said) {
  at("key").hidden = false;
  at("told").replaceChildren(tag("p", { class: "soft", role: "status" }, said));
  at("token").focus();
  at("key").onsubmit = (event) => {
    event.preventDefault();
    useToken(at("token").value);
    begin();
  };
}

function showForm(schema) {
  const fields = schema.inputs.map(makeField);
  const names = schema.outputs.map((each) => each.name).join(", ");
  document.title = `${names} · Trainwright`;
  at("kicker").textContent = schema.model.name || "A model";
  at("title").replaceChildren("What is ", tag("code", {}, names), "?");
  at("facts").replaceChildren(tag("span", {}, `${fields.length} ${fields.length === 1 ? "input" : "inputs"}`), tag("span", {}, `weights ${String(schema.model.digest || "").slice(0, 12)}`));
  at("inputs").replaceChildren(...fields.map((each) => each.node));
  at("foot").textContent = "Nothing that is given here leaves this server or is kept.";
  const typical = () => fields.forEach((each) => each.write(each.input.typical));
  typical();
  at("typical").onclick = typical;
  at("empty").onclick = () => fields.forEach((each) => each.write(null));
  at("row").onsubmit = (event) => { event.preventDefault(); askBoth(schema, fields); };
  document.querySelector(".find").hidden = fields.length <= MANY;
  at("find").oninput = () => find(fields, at("find").value);
  at("row").hidden = false;
}

function find(fields, text) {
  for (const each of fields) each.node.hidden = !each.input.name.toLowerCase().includes(text.trim().toLowerCase());
}

async function askBoth(schema, fields) {
  const halves = fields.filter((each) => each.fault());
  if (halves.length) {
    refuse(new Refused(0, halves.map((each) => ({ what: each.fault(), where: `column '${each.input.name}'`, column: each.input.name }))), fields);
    return;
  }
  asked += 1;
  const number = asked;
  const values = Object.fromEntries(fields.map((each) => [each.input.name, each.read()]));
  fields.forEach((each) => each.complain(""));
  at("predict").disabled = true;
  at("told").classList.add("busy");
  at("moved").replaceChildren();
  try {
    const found = await askRow("predict", values);
    if (number !== asked) return;
    at("told").replaceChildren(...showAnswer(schema, found));
    at("told").dataset.asked = String(number);
    tellHttp(values);
    if (innerWidth < 960) at("answer").scrollIntoView();
  } catch (error) {
    refuse(error, fields);
    return;
  } finally {
    at("told").classList.remove("busy");
    at("predict").disabled = false;
  }
  if (schema.explains) explain(schema, values, number);
}

async function explain(schema, values, number) {
  for (const output of schema.outputs) {
    try {
      const found = await askRow(`explain?output=${encodeURIComponent(output.name)}`, values);
      if (number !== asked) return;
      at("moved").append(showExplanation(found, values));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (number === asked) at("moved").append(tag("p", { class: "soft" }, `No explanation: ${error.message}`));
      break;
    }
  }
  at("moved").dataset.asked = String(number);
}

function refuse(error, fields) {
  if (!(error instanceof Refused)) throw error;
  at("told").replaceChildren(showRefusal(error));
  if (error.status === 401) askForToken("The server asks for its token again.");
  let first = null;
  for (const each of error.errors) {
    const field = fields.find((one) => one.input.name === each.column);
    if (!field) continue;
    field.complain([each.what, each.why].filter(Boolean).join(": "));
    field.node.hidden = false;
    first = first || field;
  }
  if (first) first.control.focus();
}

function tellHttp(values) {
  at("curl").textContent = asCurl(values, new URL("predict", document.baseURI).href);
  at("by-http").hidden = false;
}

begin();
