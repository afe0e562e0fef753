// Nodes from words: text is set as text, never as markup, so that nothing of a model or of an answer is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return node;
}

export function tag(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function drawn(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** A style that is set by the page itself, which the page's policy of contents allows where a style attribute would be refused. */
export function styled(node, styles) {
  Object.assign(node.style, styles);
  return node;
}

/** A number for a person: six digits that count. */
export function number(value) {
  if (typeof value !== "number") return String(value);
  if (value === 0 || (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e9)) return Number(value.toPrecision(6)).toLocaleString("en", { maximumFractionDigits: 10 });
  return Number(value.toPrecision(6)).toExponential().replace("e+", "e");
}

/** A share as percent, by one digit after the point; what would be 0.0 or 100.0 and is not is said to be less, or more. */
export function points(share) {
  if (share > 0 && share < 0.0005) return "< 0.1";
  if (share < 1 && share > 0.9995) return "> 99.9";
  return (100 * share).toFixed(1);
}

export const percent = (share) => `${points(share)} %`;

/** A value of a column in a few words. */
export function words(value, most = 40) {
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return "nothing";
  const text = typeof value === "number" ? number(value) : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Names in a sentence, the first dozen of many. */
export const listed = (names) => names.slice(0, 12).join(", ") + (names.length > 12 ? ` and ${names.length - 12} more` : "");
