// The talk page: gestures in, states out. Each part has a module of its own.

import { createPhone, IN_SESSION } from "../browser/phone.js";
import { follow, showPending, showReply, showTurn } from "./captions.js";
import { $ } from "./dom.js";
import { protocols, whyRefused } from "./key.js";
import { createSettings, startFields } from "./settings.js";
import { CONNECTION, FLOOR, WORDS } from "./words.js";

let isStale = false; // settings have changed since the session began
let device = null; // the dialog for going on elsewhere, once it was opened
let linkCode = ""; // of the conversation that the next session joins

const settings = createSettings(() => {
  isStale = true;
  showControls();
});
const phone = createPhone({
  dial,
  fields,
  words: WORDS,
  show: {
    turn: showTurn,
    reply: showReply,
    pending: () => showPending(phone.conversation.known),
    floor: showControls,
    connection: showConnection,
    begun,
    ended,
    level: showLevel,
    problem,
    code: (message) => device?.show(message),
    // Partials are not announced: a screen reader would read each. Turns and whole replies are.
    announce: (text) => { $("announcer").textContent = text; },
  },
});
const { conversation, player, state } = phone;

// ---------------------------------------------------------------- connection

function dial() {
  const url = new URL("ws", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url, protocols());
}

function fields() {
  const joins = linkCode ? { link_code: linkCode } : { conversation: "new" };
  linkCode = ""; // it is good once
  return { ...joins, ...startFields(settings.chosen) };
}

function begun() {
  isStale = false;
  notice("");
}

async function ended({ hangUp, wasOpen, wasReady, reason }) {
  const isTold = !wasReady && !$("problem").hidden; // why there is no session
  if (hangUp) notice(hangUp);
  else if (wasOpen && !isTold) problem(`The connection was lost. ${reason}`.trim());
  else if (!wasOpen) problem(await whyRefused() || "The server does not answer. Is it running?");
}

async function reconnect() {
  await player.open().catch(() => {}); // without sound the reply is still written
  await phone.reconnect().catch(() => {}); // the reason is on the page already
}

// ---------------------------------------------------------------- what is seen

function showLevel(level) {
  $("level").style.transform = `scaleX(${Math.min(1, Math.sqrt(level) * 1.8).toFixed(3)})`;
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").firstElementChild.textContent = text;
  follow(); // the message takes room from the conversation
}

function notice(text) {
  $("notice").textContent = text;
  follow();
}

function showConnection() {
  document.body.dataset.state = state.connection;
  $("state").textContent = CONNECTION[state.connection];
  if (state.connection === "ready") problem("");
}

function showControls() {
  const isOn = state.microphone !== "off";
  const name = phone.floor;
  if (document.body.dataset.floor !== name) {
    document.body.dataset.floor = name;
    [$("floor").textContent, $("advice").textContent] = FLOOR[name];
  }
  $("talk").setAttribute("aria-pressed", String(isOn));
  $("talk-label").textContent = isOn ? "Stop" : "Start talking";
  $("mute").hidden = !isOn;
  $("mute").setAttribute("aria-pressed", String(state.isMuted));
  $("mute-label").textContent = state.isMuted ? "Muted" : "Mute";
  $("cancel").hidden = !conversation.isRunning;
  const isConnected = IN_SESSION.includes(state.connection);
  $("reconnect").hidden = !["lost", "ended"].includes(state.connection) && !(isConnected && isStale);
  $("stale").hidden = !(isConnected && isStale);
}

// ---------------------------------------------------------------- gestures

$("talk").onclick = () => {
  if (state.microphone === "off") phone.startMicrophone();
  else phone.stopMicrophone();
};

$("mute").onclick = () => phone.mute(!state.isMuted);

async function say(message) {
  await player.open().catch(() => {}); // without sound the reply is still written
  await phone.say(message);
}

$("typed").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  say({ type: "text", text }).then(() => { $("text").value = ""; }, () => {}); // the reason is on the page
};

// What few people open is loaded when they do.
$("keypad-open").onclick = async ({ target }) => {
  target.onclick = null; // once is enough
  (await import("./keypad.js")).createKeypad((digits) => say({ type: "keys", digits }).catch(() => {}));
  target.click(); // it has the button now
};

$("device-open").onclick = async () => {
  device ??= (await import("./device.js")).createDevice({ say, join });
  device.open();
};

function join(code) {
  linkCode = code;
  problem("");
  reconnect();
}

$("cancel").onclick = conversation.cancel;
$("dismiss").onclick = () => problem("");
$("reconnect").onclick = reconnect;
document.onkeydown = ({ key }) => {
  if (key === "Escape" && !document.querySelector("dialog[open]") && conversation.isRunning) conversation.cancel();
};

showConnection();
showControls();

// What the page knows, to read and not to write: for tests and for the curious.
window.voicebus = Object.freeze({
  get state() { return state.connection; },
  get floor() { return phone.floor; },
  get microphone() { return state.microphone; },
  get isMuted() { return state.isMuted; },
  get level() { return state.level; },
  get sessionId() { return conversation.known.sessionId; },
  get audioInfo() { return structuredClone(conversation.known.audioInfo); },
  get sampleRate() { return player.context?.sampleRate ?? 0; },
  get turns() { return structuredClone([...conversation.known.turns.values()]); },
  get playedMs() { return Object.fromEntries([...conversation.known.turns].map(([turn, one]) => [turn, one.playedMs])); },
  get errors() { return structuredClone(conversation.known.errors); },
  get settings() { return settings.chosen; },
});
