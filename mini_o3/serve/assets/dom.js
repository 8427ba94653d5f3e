// Elements from plain values. Text is always set as text, so nothing that a user or a model wrote is markup.

export const COLOURS = ["#d1495b", "#2a9d5c", "#3a6fd8", "#d9822b", "#8e44ad", "#00808a", "#8a5a2b", "#c2339b"];

export const colour = (number) => COLOURS[(number - 1) % COLOURS.length];

// el("a.button", {href: "#"}, "text", child): tag and classes, attributes (on...: listeners), children.
export function el(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag || "div");
  node.classList.add(...classes.filter(Boolean));
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "colour") node.style.setProperty("--c", value);
    else if (key in node && typeof value !== "string") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function notice(text) {
  document.querySelector(".notice")?.remove();
  const box = el(".notice", { role: "alert" }, text);
  document.body.append(box);
  setTimeout(() => box.remove(), 6000);
}

// JSON from the server; a refusal is shown and thrown with the server's own line.
export async function call(path, options = {}) {
  const { body, ...rest } = options;
  const isFile = body instanceof Blob;
  const headers = body === undefined || isFile ? {} : { "content-type": "application/json" };
  const response = await fetch(path, { ...rest, headers, body: isFile || body === undefined ? body : JSON.stringify(body) });
  const data = await response.json().catch(() => ({ detail: `the server answered ${response.status}` }));
  if (!response.ok) {
    const detail = typeof data.detail === "string" ? data.detail : "the server refused the request";
    notice(detail);
    throw new Error(detail);
  }
  return data;
}

export const post = (path, body) => call(path, { method: "POST", body });
