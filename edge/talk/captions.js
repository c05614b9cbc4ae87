// The words of both sides, on the page.

import { $, element } from "./dom.js";
import { shownOf } from "../browser/heard.js";
import { waterfall } from "./waterfall.js";

// The head of a partial that will not change is firm. `stable` counts code points.
export function showPending({ settled, partial }) {
  const pending = $("pending");
  const text = settled.join(" ");
  const nodes = [];
  if (text) nodes.push(element("span", "settled", text));
  if (partial) {
    const characters = Array.from(partial.text);
    const stable = characters.slice(0, partial.stable).join("");
    const rest = characters.slice(partial.stable).join("");
    if (text) nodes.push(" ");
    nodes.push(element("span", "stable", stable), element("span", "unstable", rest));
  }
  pending.replaceChildren(...nodes);
  pending.hidden = !nodes.length;
  follow();
}

const views = new WeakMap(); // turn -> its elements

function viewOf(turn) {
  let view = views.get(turn);
  if (!view) {
    const item = element("li", "turn");
    const [user, reply] = [element("div", "bubble user"), element("div", "bubble assistant")];
    const [notes, figures] = [element("div", "notes"), element("div", "figures")];
    item.append(user, reply, notes, figures);
    $("conversation").append(item);
    view = { item, user, reply, notes, figures, replyShown: "", stages: null };
    views.set(turn, view);
  }
  return view;
}

export function showTurn(turn) {
  const view = viewOf(turn);
  view.user.textContent = turn.text;
  view.user.hidden = !turn.text;
  const notes = [];
  if (turn.asides.length) notes.push(element("p", "note aside", `Meanwhile you said: ${turn.asides.join(" ")}`));
  if (turn.error) notes.push(element("p", "note failed", turn.error));
  if (turn.outcome === "interrupted") notes.push(element("p", "note", "Interrupted"));
  if (turn.synthetic) notes.push(element("p", "note", "Made by a synthetic engine"));
  view.notes.replaceChildren(...notes);
  if (turn.stages.length && view.stages !== turn.stages) {
    view.stages = turn.stages;
    view.figures.replaceChildren(waterfall(turn));
  }
  showReply(turn);
  follow();
}

// Comes many times a second while the reply is heard, and seldom changes anything.
export function showReply(turn) {
  const view = views.get(turn);
  if (!view) return;
  const { written, index, isCut } = shownOf(turn);
  const shown = `${index} ${isCut} ${written}`;
  if (view.replyShown === shown) return;
  view.replyShown = shown;
  const nodes = [element("span", "spoken", written.slice(0, index))];
  if (isCut && index < written.length) {
    const [mark, rest] = [element("span", "cut", "cut off here"), element("s", "unheard", written.slice(index).trim())];
    nodes.push(" ", mark, " ", rest);
  }
  view.reply.replaceChildren(...nodes);
  view.reply.hidden = !index && !(isCut && written);
  follow();
}

// The page goes along with what is said, unless the reader has scrolled up.
export function follow() {
  $("welcome").hidden = $("conversation").children.length > 0 || !$("pending").hidden;
  const page = document.scrollingElement;
  if (page.scrollHeight - page.scrollTop - page.clientHeight < 400) page.scrollTop = page.scrollHeight;
}
