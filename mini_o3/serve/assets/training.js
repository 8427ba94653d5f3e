// The curves of a training, drawn again every few seconds while it runs.
import { call, el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

export async function trainingView(root, key) {
  const body = el(".columns");
  const title = el("h1", {}, "Training");
  const state = el(".row.soft");
  root.replaceChildren(title, state, body);
  await draw();
  const timer = setInterval(() => draw().catch(() => {}), 5000);
  return () => clearInterval(timer);

  async function draw() {
    const { run, rows } = await call(`/api/trainings/${key}`);
    title.textContent = run.name;
    state.textContent = `${rows.length} rows, last step ${rows.at(-1)?.step ?? "?"}`;
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => name !== "step"
      && rows.filter((row) => typeof row[name] === "number").length > 1);
    body.replaceChildren(...names.map((name) => el(".card", {}, el("h2", {}, name.replaceAll("_", " ")),
      chart(rows.filter((row) => typeof row[name] === "number").map((row, index) => [row.step ?? index, row[name]]), name))));
  }
}

function chart(points, name) {
  const [width, height, left, bottom] = [420, 180, 52, 22];
  const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": `curve of ${name}` });
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const px = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (width - left - 8);
  const py = (y) => height - bottom - ((y - y0) / (y1 - y0 || 1)) * (height - bottom - 10);
  svg.append(node("line", { class: "axis", x1: left, y1: height - bottom, x2: width, y2: height - bottom }),
    node("line", { class: "axis", x1: left, y1: 6, x2: left, y2: height - bottom }));
  for (const y of [y0, y1]) svg.append(label(left - 5, py(y) + 4, short(y), "end"));
  svg.append(label(left, height - 6, short(x0), "start"), label(width - 4, height - 6, short(x1), "end"),
    node("polyline", { class: "line", points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ") }));
  return svg;
}

const short = (value) => (Number.isInteger(value) ? String(value) : value.toPrecision(3));

function node(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function label(x, y, text, anchor) {
  const made = node("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}
