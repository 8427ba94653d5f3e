// The find view: one thing looked for in many pictures, a card for each as it ends, hits first.
import { call, el, notice, post } from "./dom.js";
import { cropOf, turnCard, verdict } from "./turns.js";

const RANK = { found: 0, gave_up: 1, stopped: 2, failed: 3, not_found: 4 };
const WORDS = { found: "found", gave_up: "cannot tell", stopped: "stopped by a limit", failed: "failed", not_found: "not there" };

export async function findView(root) {
  const [info, folders] = await Promise.all([call("/api/info"), call("/api/folders")]);
  const query = el("input", { id: "query", maxlength: "1000", placeholder: "red star with a 7" });
  const policy = el("select", {}, info.policies.map((name) => el("option", {}, name)));
  const turns = el("input", { type: "number", min: "1", max: String(info.turns), value: "16" });
  const files = el("input", { type: "file", accept: "image/*", multiple: true, id: "files" });
  const folder = el("select", { id: "folder" }, el("option", { value: "" }, "the files chosen here"),
    folders.map((one) => el("option", { value: one.folder }, `${one.name} (${one.pictures})`)));
  const go = el("button.main", { type: "submit" }, "Find");
  const stop = el("button", { type: "button", disabled: true, onclick: () => key && post(`/api/finds/${key}/stop`) }, "Stop");
  const state = el(".row", { role: "status" });
  const gallery = el(".gallery");
  const detail = el("dialog", { "aria-label": "the search of one picture" });
  let key = null;
  let source = null;
  root.replaceChildren(el("h1", {}, "Find in many pictures"),
    el("form.ask", { onsubmit: (event) => { event.preventDefault(); begin(); } }, el("label.wide", {}, "What to look for", query),
      el("label", {}, "Pictures", files), folders.length ? el("label", {}, "or a folder", folder) : null,
      el("label", {}, "Policy", policy), el("label", {}, "Turns", turns), go, stop),
    state, gallery, detail);
  detail.addEventListener("click", (event) => event.target === detail && detail.close());
  return () => source?.close();

  async function begin() {
    if (!query.value.trim()) return notice("say what to look for");
    if (!folder.value && !files.files.length) return notice("choose pictures first");
    const body = { query: query.value, policy: policy.value, turns: Number(turns.value) };
    go.disabled = true;
    source?.close();
    gallery.replaceChildren();
    try {
      if (folder.value) body.folder = folder.value;
      else {
        body.pictures = [];
        body.names = [];
        for (const [index, file] of [...files.files].entries()) {
          state.textContent = `uploading ${index + 1} of ${files.files.length}`;
          const sent = await call("/api/pictures", { method: "POST", body: file }).catch(() => null);
          if (sent) { body.pictures.push(sent.id); body.names.push(file.name); }
        }
      }
      const begun = await post("/api/finds", body);
      key = begun.id;
      watch(begun.pictures);
    } catch (error) {
      state.textContent = error.message;
      go.disabled = false;
    }
  }

  function watch(total) {
    let done = 0;
    let found = 0;
    stop.disabled = false;
    source = new EventSource(`/api/finds/${key}/events`);
    source.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (event.type === "picture") {
        done += 1;
        found += event.status === "found";
        add(event);
      }
      state.textContent = `${done} of ${total} pictures, found in ${found}${event.error ? `; ${event.error}` : ""}`;
      if (event.type === "end") ended();
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      state.textContent = "The server no longer knows this search; it was started anew. Begin again.";
      ended();
    };
    function ended() {
      source.close();
      go.disabled = false;
      stop.disabled = true;
    }
  }

  function add(event) {
    const base = `/api/pictures/${event.picture}`;
    const box = event.status === "found" ? event.evidence?.pixels : null;
    const image = el("img", { alt: box ? `what was found in ${event.name}` : event.name, loading: "lazy",
      src: box ? cropOf(base)(box, 320) : `${base}/overview.jpg` });
    const card = el("button.hit", { type: "button", "data-status": event.status, onclick: () => open(event) }, image,
      el(`b.${event.status === "found" ? "good" : "soft"}`, {}, WORDS[event.status] ?? event.status),
      el("span", {}, event.answer ?? event.error ?? ""), el("span.soft", {}, event.name));
    card.rank = RANK[event.status] - (event.confidence ?? 0);
    const next = [...gallery.children].find((other) => other.rank > card.rank);
    gallery.insertBefore(card, next ?? null);
  }

  async function open(event) {
    const list = el(".turns");
    const result = el("div");
    detail.replaceChildren(el(".row", {}, el("h2", {}, event.name), el("button", { type: "button", onclick: () => detail.close() }, "Close")),
      result, list);
    detail.showModal();
    const response = await fetch(`/api/searches/${event.search}/events`);
    if (!response.ok) return result.replaceChildren(verdict({ ...event, status: event.status === "found" ? "answered" : event.status }));
    for (const line of (await response.text()).split("\n")) {
      if (!line.startsWith("data: ")) continue;
      const one = JSON.parse(line.slice(6));
      if (one.type === "turn") list.append(turnCard(one, cropOf(`/api/pictures/${event.picture}`), () => {}));
      if (one.type === "end") result.replaceChildren(verdict(one.result));
    }
    return undefined;
  }
}
