// Two evaluations side by side: what flipped comes first.
import { call, el } from "./dom.js";

export async function compareView(root, params) {
  const runs = (await call("/api/runs")).filter((run) => run.kind === "episodes");
  const [a, b] = ["a", "b"].map((side) => {
    const chosen = params.get(side) ?? runs[side === "a" ? 0 : 1]?.id;
    return el("select", { "aria-label": side === "a" ? "first set" : "second set" },
      runs.map((run) => el("option", { value: run.id, selected: run.id === chosen }, run.name)));
  });
  const go = el("button.main", { type: "button", onclick: () => { location.hash = `#/compare?a=${a.value}&b=${b.value}`; } }, "Compare");
  const body = el("div");
  root.replaceChildren(el("h1", {}, "Compare two evaluations"), el(".ask", {}, a, b, go), body);
  if (runs.length < 2) return body.replaceChildren(el(".card.empty", {}, "Two recorded sets are needed."));
  if (!params.get("a") || !params.get("b")) return;
  const data = await call(`/api/compare?${new URLSearchParams({ a: params.get("a"), b: params.get("b") })}`);
  const flipped = data.pairs.filter((pair) => pair.flipped).length;
  const cell = (run, row) => el("a.button", { href: `#/runs/${run.id}/${row.n}` }, `${row.answer ?? "—"} `,
    el(`span.tag2.${row.tags.includes("right") ? "good" : row.tags.includes("wrong") ? "bad" : "soft"}`, {},
      row.tags.filter((tag) => tag !== "answered").join(", ")));
  body.replaceChildren(el(".row", {}, `${data.total} tasks in both, ${flipped} flipped`),
    el(".card", {}, data.pairs.slice(0, 300).map((pair) => el(".row", {}, el("span.wide", {}, pair.a.question), cell(data.a, pair.a), cell(data.b, pair.b)))));
}
