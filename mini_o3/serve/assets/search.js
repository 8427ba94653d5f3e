// The search view: a picture, a question, and the turns as they are taken.
import { call, el, notice, post } from "./dom.js";
import { choose, cropOf, turnCard, verdict } from "./turns.js";
import { Viewer } from "./viewer.js";

const state = { picture: null, question: "", policy: null, turns: 32 };

export async function searchView(root) {
  const info = await call("/api/info");
  state.policy ??= info.policies[0];
  const question = el("input", { id: "question", value: state.question, maxlength: "4000", autocomplete: "off",
    placeholder: "Which digit is on the red star?" });
  const policy = el("select", {}, info.policies.map((name) => el("option", { selected: name === state.policy }, name)));
  const turns = el("input", { type: "number", min: "1", max: String(info.turns), value: String(state.turns) });
  const file = el("input", { type: "file", accept: "image/*", hidden: true, id: "file",
    onchange: () => file.files[0] && take(file.files[0]) });
  const go = el("button.main", { type: "submit" }, "Search");
  const stop = el("button", { type: "button", disabled: true, onclick: () => search?.id && post(`/api/searches/${search.id}/stop`) },
    "Stop");
  const form = el("form.ask", { onsubmit: (event) => { event.preventDefault(); begin(); } },
    el("label.wide", {}, "Question", question), el("label", {}, "Policy", policy), el("label", {}, "Turns", turns), go, stop);
  const body = el("div");
  root.replaceChildren(el("h1", {}, "Ask a picture"), form, file, body);
  let viewer = null;
  let search = null;
  if (state.picture) show(state.picture);
  else welcome();
  return () => { search?.source.close(); viewer?.destroy(); };

  function welcome() {
    const drop = el(".drop", {}, el("h2", {}, "Drop a picture here"),
      el("p", {}, "or paste one, or"),
      el(".row.middle", {}, el("button.main", { type: "button", onclick: () => file.click() }, "Choose a file"),
        el("button", { type: "button", id: "sample", onclick: sample }, "Take a sample")),
      el("p", {}, `At most ${Math.round(info.upload_bytes / 1e6)} MB. The picture stays on this server unless the policy is an endpoint.`));
    drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
    document.onpaste = (event) => event.clipboardData.files[0] && take(event.clipboardData.files[0]);
    body.replaceChildren(drop);
  }

  async function take(blob) {
    if (blob.size > info.upload_bytes) return notice(`the picture has ${Math.round(blob.size / 1e6)} MB; too large`);
    show(await call("/api/pictures", { method: "POST", body: blob }));
  }

  async function sample() {
    const given = await post(`/api/samples?seed=${500000000 + Math.floor(Math.random() * 1e6)}`);
    question.value = given.question;
    show(given);
  }

  function show(picture) {
    state.picture = picture;
    const stage = el(".stage");
    const list = el(".turns", { "aria-live": "polite", "aria-label": "turns" });
    const result = el("div", { id: "result" });
    const whole = el("button", { type: "button", onclick: () => viewer.fly(null) }, "Whole picture");
    const take = el("button", { type: "button", id: "take-over", disabled: true, onclick: takeOver,
      title: "Draw a box: the policy looks there and goes on" }, "Take over");
    const other = el("button", { type: "button", onclick: () => { state.picture = null; viewer?.destroy(); viewer = null; welcome(); } },
      "Other picture");
    body.replaceChildren(el(".split", {},
      el("div", {}, stage, el(".row", {}, whole, take, other,
        el("span.soft", {}, `${picture.size[0]} x ${picture.size[1]} px`))),
      el("div", {}, result, list)));
    viewer?.destroy();
    viewer = new Viewer(stage, `/api/pictures/${picture.id}`, picture, "the picture, with a numbered box for every look");
    search = null;
    body.parts = { list, result, take };
    question.focus();

    async function takeOver() {
      if (!search) return;
      take.setAttribute("aria-pressed", "true");
      const box = await viewer.draw();
      take.removeAttribute("aria-pressed");
      if (search && box[2] - box[0] > 2 && box[3] - box[1] > 2) {
        await post(`/api/searches/${search.id}/take-over`, { box }).catch(() => {});
      }
    }
  }

  async function begin() {
    if (!state.picture) return notice("choose a picture first");
    if (!question.value.trim()) return notice("type a question first");
    Object.assign(state, { question: question.value, policy: policy.value, turns: Number(turns.value) });
    const { list, result, take } = body.parts;
    search?.source.close();
    viewer.clear();
    viewer.fly(null);
    list.replaceChildren();
    result.replaceChildren(el(".verdict", { role: "status" }, "Searching ..."));
    go.disabled = true;
    let begun;
    try {
      begun = await post("/api/searches", { picture: state.picture.id, question: state.question, policy: state.policy, turns: state.turns });
    } catch (error) {
      go.disabled = false;
      return result.replaceChildren(el(".verdict.failed", { role: "status" }, error.message));
    }
    const base = `/api/pictures/${state.picture.id}`;
    const look = (turn) => {
      choose(list, turn.n);
      viewer.mark(turn.n);
      if (turn.box) viewer.fly(turn.box);
    };
    const source = new EventSource(`/api/searches/${begun.id}/events`);
    search = { id: begun.id, source };
    stop.disabled = take.disabled = false;
    source.onmessage = (message) => {
      const event = JSON.parse(message.data);
      if (event.type === "turn") {
        list.append(turnCard(event, cropOf(base), look));
        if (event.box) viewer.add(event.n, event.box);
        look(event);
      }
      if (event.type === "end") {
        source.close();
        result.replaceChildren(verdict(event.result));
        if (event.result.evidence && event.result.answer !== null) viewer.add("★", event.result.evidence.pixels, ".evidence");
        ended();
      }
    };
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) return;
      result.replaceChildren(el(".verdict.failed", { role: "status" }, "The server no longer knows this search; it was started anew. Ask again."));
      ended();
    };
    function ended() {
      search = null;
      go.disabled = false;
      stop.disabled = take.disabled = true;
    }
  }
}
