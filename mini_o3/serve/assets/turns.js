// The list of turns beside a picture, and the line that says what came of a search. Live and recorded alike.
import { colour, el } from "./dom.js";

const STATUS = {
  answered: "Answer", not_found: "Not there", gave_up: "Cannot tell", stopped: "Stopped by a limit", failed: "Failed",
};

export function verdict(result) {
  const parts = [el("div", {}, `${STATUS[result.status] ?? result.status}${result.answer ? ": " : ""}`,
    result.answer ? el("b", {}, result.answer) : null)];
  if (result.error) parts.push(el(".soft", {}, result.error));
  else if (!result.answer && result.stop) parts.push(el(".soft", {}, String(result.stop).replaceAll("_", " ")));
  const facts = [];
  if (result.num_turns !== undefined) facts.push(`${result.num_turns} turns`);
  if (result.confidence !== null && result.confidence !== undefined) facts.push(`confidence ${result.confidence}`);
  if (result.evidence) facts.push(`evidence ${result.evidence.pixels.join(", ")} (pixels)`);
  if (result.usage) facts.push(`${result.usage.prompt ?? 0} + ${result.usage.completion ?? 0} tokens`);
  if (result.cost) facts.push(`cost ${result.cost}`);
  if (facts.length) parts.push(el(".soft", {}, facts.join(" · ")));
  return el(`.verdict.${result.status}`, { role: "status" }, parts);
}

// One turn; `crop(box)` gives the address of a crop, `look` is called when the turn is chosen.
export function turnCard(turn, crop, look) {
  const did = turn.action === "zoom" ? `zoom into ${turn.of ? `observation ${turn.of}` : "the picture"}`
    : turn.action === "answer" ? "answer" : turn.fault;
  const head = el(".head", {}, el("span.n", {}, String(turn.n)), el("span", {}, did),
    turn.person ? el("span", {}, "by you") : null, turn.seconds ? el("span", {}, `${turn.seconds.toFixed(2)} s`) : null);
  const body = [head];
  if (turn.thought) body.push(el(".thought", {}, turn.thought));
  if (turn.action === "answer") body.push(el("div", {}, el("b", {}, turn.answer)));
  if (turn.action === "malformed") body.push(el(".bad", {}, turn.detail), el(".mono", {}, turn.text));
  if (turn.box) {
    body.push(el("img", { src: crop(turn.box), alt: `what turn ${turn.n} looked at`, loading: "lazy" }));
  }
  return el("button.turn", { type: "button", colour: turn.box ? colour(turn.n) : null, "data-n": turn.n,
    onclick: () => look(turn) }, body);
}

export function choose(list, number) {
  for (const node of list.querySelectorAll(".turn")) node.classList.toggle("now", node.dataset.n === String(number));
  list.querySelector(".turn.now")?.scrollIntoView({ block: "nearest" });
}

export const cropOf = (base) => (box, side = 360) => {
  const [left, top, right, bottom] = box;
  return `${base}/crop.jpg?left=${left}&top=${top}&right=${right}&bottom=${bottom}&side=${side}`;
};
