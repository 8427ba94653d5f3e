// Recorded sets: their list, the episodes of one (only the visible rows exist), and one episode.
import { call, el } from "./dom.js";
import { choose, cropOf, turnCard, verdict } from "./turns.js";
import { Viewer } from "./viewer.js";

const ROW = 46;
const PAGE = 100;
const TONE = { right: "good", wrong: "bad" };

export async function runsView(root, kind = "episodes") {
  const runs = (await call("/api/runs")).filter((run) => run.kind === kind);
  const link = kind === "episodes" ? "runs" : "trainings";
  root.replaceChildren(el("h1", {}, kind === "episodes" ? "Recorded searches" : "Trainings"),
    runs.length ? el(".card.runs", {}, runs.map((run) => el("a.run", { href: `#/${link}/${run.id}` }, run.name)))
      : el(".card.empty", {}, "Nothing is recorded below the folders of this server. Start it with --runs DIR."));
}

export async function episodesView(root, key, params) {
  const query = { tag: params.get("tag") ?? "", text: params.get("text") ?? "", order: params.get("order") ?? "" };
  const pages = new Map();
  const first = await load(0);
  const run = (await call("/api/runs")).find((one) => one.id === key);
  const text = el("input", { type: "search", value: query.text, placeholder: "question, answer, thought ...", onchange: () => go({ text: text.value }) });
  const order = el("select", { onchange: () => go({ order: order.value }) },
    [["", "as recorded"], ["turns", "fewest turns"], ["-turns", "most turns"], ["question", "question"], ["level", "level"]]
      .map(([value, name]) => el("option", { value, selected: value === query.order }, name)));
  const chips = el(".row.chips", {}, ["", ...first.tags].filter((tag) => !tag || first.counts[tag]).map((tag) =>
    el("button", { type: "button", "aria-pressed": String(tag === query.tag), onclick: () => go({ tag }) },
      tag ? `${tag.replaceAll("_", " ")} ${first.counts[tag]}` : `all ${first.all}`)));
  const list = el(".list", { tabindex: "0", role: "region", "aria-label": "episodes", onscroll: draw });
  const space = el("div");
  list.append(space);
  space.style.height = `${first.total * ROW}px`;
  root.replaceChildren(el("h1", {}, run?.name ?? "Recorded searches"),
    el(".row", {}, el("label", {}, "Find", text), el("label", {}, "Order", order)), chips, list);
  let current = 0;
  document.onkeydown = (event) => {
    if (/INPUT|SELECT|TEXTAREA/.test(document.activeElement?.tagName)) return;
    if (event.key === "j" || event.key === "k") {
      current = Math.min(Math.max(current + (event.key === "j" ? 1 : -1), 0), first.total - 1);
      list.scrollTop = Math.max(0, current * ROW - list.clientHeight / 2);
      draw();
    }
    if (event.key === "Enter" && document.activeElement === document.body) list.querySelector(".item.now")?.click();
  };
  draw();

  function go(change) {
    location.hash = `#/runs/${key}?${new URLSearchParams({ ...query, ...change })}`;
  }

  async function load(page) {
    const data = await call(`/api/runs/${key}/episodes?${new URLSearchParams({ ...query, offset: page * PAGE, limit: PAGE })}`);
    pages.set(page, data.rows);
    return data;
  }

  async function draw() {
    const top = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const bottom = Math.min(first.total, top + Math.ceil(list.clientHeight / ROW) + 12);
    for (let page = Math.floor(top / PAGE); page <= Math.floor(Math.max(bottom - 1, 0) / PAGE); page += 1) {
      if (!pages.has(page)) { pages.set(page, []); await load(page); }
    }
    const rows = [];
    for (let place = top; place < bottom; place += 1) {
      const row = pages.get(Math.floor(place / PAGE))?.[place % PAGE];
      if (row) rows.push(item(row, place));
    }
    space.replaceChildren(...rows);
  }

  function item(row, place) {
    const tone = row.tags.find((tag) => TONE[tag]);
    const node = el(`a.item${place === current ? ".now" : ""}`, { href: `#/runs/${key}/${row.n}` },
      el("span.soft", {}, String(row.n + 1)), el("span", {}, row.question), el("span", {}, row.answer ?? "—"),
      el("span.optional.soft", {}, row.expected ?? ""), el("span.optional.soft", {}, `${row.turns} t`),
      el("span", {}, row.tags.map((tag) => el(`span.tag2.${TONE[tag] ?? "soft"}`, {}, tag.replaceAll("_", " ")))));
    if (tone) node.dataset.tone = tone;
    node.style.top = `${place * ROW}px`;
    return node;
  }
}

export async function episodeView(root, key, number) {
  const base = `/api/runs/${key}/episodes/${number}`;
  const told = await call(base);
  const stage = el(".stage");
  const list = el(".turns", { "aria-label": "turns" });
  const tokens = el(".tokens", { hidden: true });
  let viewer = null;
  let at = 0;
  const look = (turn) => {
    at = turn.n;
    choose(list, turn.n);
    viewer?.mark(turn.n);
    if (turn.box) viewer?.fly(turn.box);
  };
  list.append(...told.turns.map((turn) => turnCard(turn, cropOf(base), look)));
  const siblings = told.siblings.length > 1 ? el(".row.chips", {}, el("span.soft", {}, "other searches of this question:"),
    told.siblings.map((one) => el("a.button", { href: `#/runs/${key}/${one.n}`, "aria-current": one.n === number ? "true" : null },
      `seed ${one.seed}: ${one.answer ?? one.status}`)),
    el("a.button", { href: `#/beside/${key}/${told.siblings.slice(0, 4).map((one) => one.n).join(",")}` }, "side by side")) : null;
  root.replaceChildren(
    el(".row", {}, el("a", { href: `#/runs/${key}` }, told.run.name)),
    el("h1", {}, told.result.question),
    el(".row.soft", {}, `${told.result.policy} · ${told.row.tags.join(", ").replaceAll("_", " ")}`,
      told.expected ? ` · expected: ${told.expected}` : ""),
    el(".split", {}, el("div", {}, stage,
      el(".row", {}, el("button", { type: "button", onclick: () => viewer?.fly(null) }, "Whole picture"),
        el("a.button", { href: `${base}/page` }, "Download the page"),
        el("button", { type: "button", onclick: () => navigator.clipboard?.writeText(location.href) }, "Copy link"),
        el("button", { type: "button", onclick: showTokens }, "Tokens"))),
    el("div", {}, verdict(told.result), siblings, list)), tokens);
  try {
    const picture = await call(`${base}/picture`);
    viewer = new Viewer(stage, base, picture, "the picture, with a numbered box for every look");
    for (const turn of told.turns) if (turn.box) viewer.add(turn.n, turn.box);
    if (told.result.evidence && told.result.answer !== null) viewer.add("★", told.result.evidence.pixels, ".evidence");
  } catch {
    stage.replaceChildren(el(".empty", {}, "The picture is not below the folders of this server."));
  }
  document.onkeydown = (event) => {
    if (/INPUT|SELECT|TEXTAREA/.test(document.activeElement?.tagName)) return;
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step) {
      const turn = told.turns[Math.min(Math.max(at - 1 + step, 0), told.turns.length - 1)];
      if (turn) { event.preventDefault(); look(turn); }
    }
    if (event.key === "j" || event.key === "k") location.hash = `#/runs/${key}/${Math.max(number + (event.key === "j" ? 1 : -1), 0)}`;
  };
  return () => viewer?.destroy();

  async function showTokens() {
    tokens.hidden = !tokens.hidden;
    if (tokens.childElementCount) return;
    const rows = await call(`${base}/tokens`);
    tokens.append(...rows.map((row, index) => el(".card", {}, el("b", {}, `turn ${index + 1}${row.learn ? "" : " (not learned from)"} `),
      row.ids.length ? row.ids.map((id, place) => {
        const p = Math.exp(row.log_probs[place] ?? 0);
        const one = el("span", { title: `probability ${p.toFixed(3)}` }, `${id} `);
        one.style.opacity = String(0.35 + 0.65 * p);
        return one;
      }) : "no tokens were recorded")));
  }
}

// Several searches of one question, their viewers linked: what one is moved to, all are.
export async function besideView(root, key, numbers) {
  const told = await Promise.all(numbers.map((number) => call(`/api/runs/${key}/episodes/${number}`)));
  const viewers = [];
  root.replaceChildren(el("h1", {}, told[0].result.question), el(".columns", {}, await Promise.all(told.map(async (one, index) => {
    const base = `/api/runs/${key}/episodes/${numbers[index]}`;
    const stage = el(".stage.small");
    const picture = await call(`${base}/picture`).catch(() => null);
    if (picture) {
      queueMicrotask(() => {
        const viewer = new Viewer(stage, base, picture, `search ${index + 1}`);
        for (const turn of one.turns) if (turn.box) viewer.add(turn.n, turn.box);
        viewers.push(viewer);
        viewer.osd.addHandler("viewport-change", () => viewers.filter((other) => other !== viewer).forEach((other) => {
          if (viewer.moving) return;
          other.moving = true;
          other.osd.viewport.fitBounds(viewer.osd.viewport.getBounds(), true);
          other.moving = false;
        }));
      });
    }
    return el(".card", {}, el("h2", {}, `seed ${one.row.seed}`), verdict(one.result), stage,
      el("ol", {}, one.turns.map((turn) => el("li", {}, turn.thought || turn.detail || turn.answer || ""))));
  }))));
  return () => viewers.forEach((viewer) => viewer.destroy());
}

