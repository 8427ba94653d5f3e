// Which view is shown: the part of the address after #.
import { compareView } from "./compare.js";
import { el } from "./dom.js";
import { findView } from "./find.js";
import { besideView, episodesView, episodeView, runsView } from "./runs.js";
import { searchView } from "./search.js";
import { trainingView } from "./training.js";

const root = document.getElementById("view");
let leave = null;
let turn = 0;

async function show() {
  const mine = (turn += 1);
  leave?.();
  leave = null;
  document.onkeydown = document.onpaste = null;
  const [path, query = ""] = location.hash.slice(2).split("?");
  const [view, key, number] = (path || "search").split("/");
  const params = new URLSearchParams(query);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    const left = await (view === "runs" && number !== undefined ? episodeView(root, key, Number(number))
      : view === "runs" && key ? episodesView(root, key, params)
        : view === "runs" ? runsView(root)
          : view === "beside" ? besideView(root, key, number.split(",").map(Number))
            : view === "compare" ? compareView(root, params)
            : view === "find" ? findView(root)
              : view === "trainings" && key ? trainingView(root, key)
                : view === "trainings" ? runsView(root, "training")
                  : searchView(root));
    if (mine === turn) leave = typeof left === "function" ? left : null;
    else if (typeof left === "function") left();
  } catch (error) {
    root.replaceChildren(el(".card.empty", { role: "alert" }, error.message));
  }
}

addEventListener("hashchange", show);
show();
