// What is seen of one widget. Words of the server become text nodes, never markup.

import { shownOf } from "../browser/heard.js";

const SVG = "http://www.w3.org/2000/svg";
const MICROPHONE = "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM6 11a6 6 0 0 0 12 0M12 17v4";
const ICONS = {
  launch: "M5 5h14v10h-7l-4 4v-4H5ZM9 9v2M12 8v4M15 9v2",
  close: "M6 6l12 12M18 6L6 18",
  send: "M5 12h13M13 6l6 6-6 6",
  talk: MICROPHONE,
  mute: `${MICROPHONE}M4 4l16 16`,
  cancel: "M7 7h10v10H7Z",
  dismiss: "M6 6l12 12M18 6L6 18",
  link: "M8 4h8v16H8ZM11 17h2",
};

export function make(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function icon(name) {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS(SVG, tag));
  for (const [key, value] of [["viewBox", "0 0 24 24"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const span = (kind, text) => make("span", { class: kind }, text);

// on: launch, close, link, talk, mute, cancel, dismiss, agree, disagree, send(text), key(event).
export function createView({ root, sheets, texts, language, isInline, canLink, on }) {
  const button = (name, label, kind = "icon quiet") => {
    const made = make("button", { id: name, type: "button", class: kind, "aria-label": label, title: label }, icon(name));
    made.onclick = on[name];
    return made;
  };
  const plain = (name, kind) => {
    const made = make("button", { type: "button", class: kind }, texts[name]);
    made.onclick = on[name];
    return made;
  };

  const launch = make("button", { id: "launch", type: "button", class: "strong", "aria-expanded": "false", "aria-controls": "panel" }, icon("launch"), texts.open);
  launch.onclick = on.launch;
  const title = make("div", { id: "title" }, texts.title);
  const status = make("div", { id: "status", role: "status" });
  const welcome = make("p", { id: "welcome" }, texts.welcome);
  const turns = make("div", {});
  const pending = make("p", { class: "bubble user" });
  const log = make("div", { id: "log", role: "log", "aria-live": "off", "aria-label": texts.conversation, tabindex: "0" }, welcome, turns, pending);
  const announcer = make("p", { class: "unseen", "aria-live": "polite" });
  const problem = make("p", {});
  const alarm = make("div", { id: "problem", role: "alert" }, problem, button("dismiss", texts.dismiss));
  const agree = plain("agree", "strong");
  const consent = make("div", { id: "consent", role: "group", "aria-labelledby": "consent-title", "aria-describedby": "consent-text" },
    make("b", { id: "consent-title" }, texts.consent_title), make("p", { id: "consent-text" }, texts.consent),
    make("div", {}, agree, plain("disagree", "")));
  const level = make("span", { id: "level", "aria-hidden": "true" });
  const talk = button("talk", texts.talk, "icon strong");
  talk.append(level);
  const mute = button("mute", texts.mute, "icon");
  const cancel = button("cancel", texts.stop_reply, "icon");
  const input = make("input", { id: "text", maxlength: "4000", placeholder: texts.type, "aria-label": texts.type, autocomplete: "off" });
  const send = make("button", { type: "submit", class: "icon", "aria-label": texts.send, title: texts.send }, icon("send"));
  const form = make("form", {}, talk, mute, cancel, input, send);
  let sending = null; // until there is a connection
  const sent = () => { sending = null; };
  form.onsubmit = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text) sending ??= on.send(text).then(() => { input.value = ""; }, sent).then(sent); // the reason is shown already
  };
  const head = make("header", {}, make("div", {}, title, status));
  if (canLink) head.append(button("link", texts.link));
  if (!isInline) head.append(button("close", texts.close));
  const role = isInline ? "group" : "dialog";
  const panel = make("div", { id: "panel", role, "aria-labelledby": "title", tabindex: "-1" }, head, log, announcer, alarm, consent, form);
  panel.onkeydown = on.key;
  const box = make("section", { "aria-label": texts.title, lang: language }, panel, ...(isInline ? [] : [launch]));
  panel.hidden = !isInline;
  alarm.hidden = consent.hidden = pending.hidden = true;
  root.adoptedStyleSheets = sheets;
  root.replaceChildren(box);

  const views = new WeakMap(); // turn -> its elements

  function follow() {
    welcome.hidden = turns.childElementCount > 0 || !pending.hidden;
    if (log.scrollHeight - log.scrollTop - log.clientHeight < 250) log.scrollTop = log.scrollHeight;
  }

  function viewOf(turn) {
    let view = views.get(turn);
    if (!view) {
      const [user, reply] = [make("p", { class: "bubble user" }), make("p", { class: "bubble assistant" })];
      const notes = make("div", {});
      turns.append(make("div", { class: "turn" }, user, reply, notes));
      view = { user, reply, notes, shown: "" };
      views.set(turn, view);
    }
    return view;
  }

  function showReply(turn) {
    const view = views.get(turn);
    if (!view) return;
    const { written, index, isCut } = shownOf(turn);
    const shown = `${index} ${isCut} ${written}`;
    if (view.shown === shown) return; // comes many times a second, and seldom changes anything
    view.shown = shown;
    const nodes = [span("unseen", `${texts.assistant}: `), span("spoken", written.slice(0, index))];
    const rest = isCut ? written.slice(index).trim() : "";
    if (rest) nodes.push(" ", span("cut", texts.cut), " ", make("s", { class: "unheard" }, rest));
    view.reply.replaceChildren(...nodes);
    view.reply.hidden = !index && !rest;
    follow();
  }

  return {
    input,
    panel,
    showReply,
    get isOpen() { return !panel.hidden; },
    open() {
      panel.hidden = false;
      launch.setAttribute("aria-expanded", "true");
      panel.focus({ preventScroll: true });
      follow();
    },
    close() {
      panel.hidden = true;
      launch.setAttribute("aria-expanded", "false");
      launch.focus();
    },
    askConsent() {
      consent.hidden = false;
      agree.focus();
    },
    closeConsent() {
      consent.hidden = true;
    },
    showTurn(turn) {
      const view = viewOf(turn);
      view.user.replaceChildren(span("unseen", `${texts.you}: `), turn.text);
      view.user.hidden = !turn.text;
      const notes = [];
      if (turn.asides.length) notes.push(make("p", { class: "note" }, `${texts.meanwhile} ${turn.asides.join(" ")}`));
      if (turn.error) notes.push(make("p", { class: "note failed" }, turn.error));
      view.notes.replaceChildren(...notes);
      showReply(turn);
      follow();
    },
    // The head of a partial that will not change is firm. `stable` counts code points.
    showPending({ settled, partial }) {
      const nodes = settled.length ? [span("settled", `${settled.join(" ")} `)] : [];
      if (partial) {
        const characters = Array.from(partial.text);
        nodes.push(span("stable", characters.slice(0, partial.stable).join("")));
        nodes.push(span("unstable", characters.slice(partial.stable).join("")));
      }
      pending.replaceChildren(...nodes);
      pending.hidden = !nodes.length;
      follow();
    },
    showControls({ floor, text, microphone, isMuted, isRunning, canSpeak }) {
      box.dataset.floor = floor;
      if (status.textContent !== text) status.textContent = text;
      const isOn = microphone !== "off";
      const label = isOn ? texts.stop : texts.talk;
      talk.hidden = !canSpeak;
      talk.setAttribute("aria-pressed", String(isOn));
      talk.setAttribute("aria-label", label);
      talk.title = label;
      mute.hidden = !isOn;
      mute.setAttribute("aria-pressed", String(isMuted));
      cancel.hidden = !isRunning;
    },
    showLevel(heard) {
      level.style.transform = `scale(${Math.min(1, Math.sqrt(heard) * 1.8).toFixed(2)})`;
    },
    clear() {
      turns.replaceChildren();
      follow();
    },
    problem(text) {
      problem.textContent = text;
      alarm.hidden = !text;
      follow();
    },
    announce(text) {
      announcer.textContent = text;
    },
  };
}
