// What moved the answer: each column against its typical value, and the places of pictures and recordings.

import { drawn, listed, number, points, styled, tag, words } from "./markup.js";

const SHOWN = 8;

export function showExplanation(found, values) {
  const columns = found.columns.map((each) => ({ ...each, value: values[each.name] }));
  const moving = columns.filter((each) => each.share).sort((one, other) => Math.abs(other.share) - Math.abs(one.share));
  const still = columns.filter((each) => !each.share).map((each) => each.name);
  const parts = [tag("h3", {}, `What moved ${found.target}`)];
  if (moving.length) parts.push(tag("p", { class: "soft" }, sentence(found)), columnTable(moving.slice(0, SHOWN), found, moving));
  if (moving.length > SHOWN) {
    parts.push(tag("details", {}, tag("summary", {}, `${moving.length - SHOWN} more`), columnTable(moving.slice(SHOWN), found, moving)));
  }
  if (still.length) parts.push(tag("p", { class: "soft" }, `Typical values of these would change nothing: ${listed(still)}.`));
  for (const [name, map] of Object.entries(found.maps || {})) parts.push(showMap(name, map, found));
  for (const each of found.notes || []) parts.push(tag("p", { class: "soft" }, each));
  return tag("div", { "data-explained": found.target }, parts);
}

function sentence(found) {
  const what = found.probability ? `the probability of ${found.class}` : found.target;
  const right = found.probability ? "it speaks for the answer" : "it makes it larger";
  return `What ${what} owes to each column: by how much it falls when that column alone has its typical value; to the right: ${right}.`;
}

const moved = (share, probability) => `${share < 0 ? "−" : "+"}${probability ? `${points(Math.abs(share))} pp` : number(Math.abs(share))}`;

function columnTable(columns, found, all) {
  const most = Math.max(...all.map((each) => Math.abs(each.share)), 1e-300);
  const rows = columns.map((each) => {
    const width = (50 * Math.abs(each.share)) / most;
    const bar = styled(tag("i", { class: each.share < 0 ? "bar less" : "bar" }), { width: `${width}%`, left: `${each.share < 0 ? 50 - width : 50}%` });
    const from = tag("span", { class: "from" }, `${words(each.value, 24)}, typical ${words(each.typical, 24)}`);
    const share = tag("td", { class: "num", "data-share": each.share }, moved(each.share, found.probability));
    return tag("tr", { "data-column": each.name }, tag("th", { scope: "row" }, each.name, from), tag("td", {}, tag("span", { class: "track" }, bar)), share);
  });
  return tag("table", { class: "chart bars moved" }, tag("tbody", {}, rows));
}

function showMap(name, map, found) {
  const said = found.probability ? `blue speaks for ${found.class}, orange against it` : `blue raises ${found.target}, orange lowers it`;
  const caption = tag("figcaption", {}, tag("b", {}, name), tag("span", { class: "soft" }, said));
  const figure = tag("figure", { class: "seen", "data-map": name }, caption);
  figure.append(map.picture ? pictureMap(name, map) : waveMap(name, map));
  return figure;
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return { for: style.getPropertyValue("--accent").trim(), against: style.getPropertyValue("--warm").trim() };
}

/** The picture as the model sees it, in grey, under the windows that matter. */
function pictureMap(name, map) {
  const { width, height, channels } = map.picture;
  const bytes = Uint8Array.from(atob(map.picture.pixels), (each) => each.charCodeAt(0));
  const canvas = tag("canvas", { width, height, role: "img", "aria-label": `What of the picture ${name} moved the answer` });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    const at = (channel) => bytes[place * channels + Math.min(channel, channels - 1)];
    const grey = 0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2); // ITU-R BT.601, as Pillow has it
    image.data.set([grey, grey, grey, 255], 4 * place);
  }
  context.putImageData(image, 0, 0);
  const [rows, columns] = map.shape;
  const most = Math.max(...map.values.flat().map(Math.abs), 1e-300);
  const colour = colours();
  map.values.forEach((line, row) => line.forEach((share, column) => {
    context.globalAlpha = 0.6 * (Math.abs(share) / most);
    context.fillStyle = share < 0 ? colour.against : colour.for;
    context.fillRect((column * width) / columns, (row * height) / rows, width / columns, height / rows);
  }));
  context.globalAlpha = 1;
  return canvas;
}

/** Traces of a recording over the windows of time that matter. */
function waveMap(name, map) {
  const width = 640, each = 90, traces = map.traces, height = each * traces.length;
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `What of ${name} moved the answer` });
  const most = Math.max(...map.values.flat().map(Math.abs), 1e-300);
  const line = map.values[0];
  line.forEach((share, place) => svg.append(drawn("rect", {
    class: share < 0 ? "against" : "for", x: (place * width) / line.length, y: 0, width: width / line.length, height, "fill-opacity": (0.5 * Math.abs(share)) / most,
  })));
  traces.forEach((trace, place) => {
    const low = Math.min(...trace), span = Math.max(...trace) - low || 1;
    const points = trace.map((value, at) => `${((at * width) / Math.max(trace.length - 1, 1)).toFixed(1)},${(each * (place + 1) - 6 - ((value - low) / span) * (each - 12)).toFixed(1)}`);
    svg.append(drawn("polyline", { class: "trace", points: points.join(" ") }));
  });
  return tag("div", { class: "scroll", tabindex: 0 }, svg);
}
