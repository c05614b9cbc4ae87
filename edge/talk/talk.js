// The talk page: gestures in, states out. Each part has a module of its own.

import { follow, showPending, showReply, showTurn } from "./captions.js";
import { createConversation } from "./conversation.js";
import { $ } from "./dom.js";
import { FLOOR, whoHasTheFloor } from "./floor.js";
import { whyRefused } from "./key.js";
import { microphoneProblem, openMicrophone } from "./microphone.js";
import { createPlayer } from "./player.js";
import { createSettings, startFields } from "./settings.js";
import { createSocket } from "./socket.js";

const CONNECTION = {
  idle: "Not connected",
  connecting: "Connecting…",
  connected: "Waiting for workers…",
  ready: "Connected",
  away: "Reconnecting…",
  lost: "Disconnected",
  ended: "Call ended",
};

const IN_SESSION = ["connected", "ready", "away"];

const state = {
  connection: "idle",
  connectionBefore: "idle", // while it is away
  microphone: "off", // off, starting, on
  isMuted: false,
  isStale: false, // settings have changed since the session began
  level: 0,
};
let voice = null; // the microphone while it is on
let device = null; // the dialog for going on elsewhere, once it was opened
let linkCode = ""; // of the conversation that the next session joins

const player = createPlayer((report) => conversation.played(report));
const socket = createSocket({
  hello,
  receive: (data) => conversation.receive(data),
  closed,
  away,
});
const settings = createSettings(() => {
  state.isStale = true;
  showControls();
});
const conversation = createConversation({
  player,
  send: socket.send,
  show: {
    turn: showTurn,
    reply: showReply,
    pending: () => showPending(conversation.known),
    floor: showControls,
    connection: setConnection,
    problem,
    code: (message) => device?.show(message),
    // Partials are not announced: a screen reader would read each. Turns and whole replies are.
    announce: (text) => { $("announcer").textContent = text; },
  },
});

// ---------------------------------------------------------------- connection

function hello() {
  setConnection("connected");
  const joins = linkCode ? { link_code: linkCode } : { conversation: "new" };
  linkCode = ""; // it is good once
  const start = { type: "start", input: { format: "pcm_s16le" }, output: player.output, ...joins, ...startFields(settings.chosen) };
  return state.isMuted ? [start, { type: "mute", muted: true }] : [start];
}

async function connect() {
  if (IN_SESSION.includes(state.connection)) return;
  if (state.connection !== "connecting") {
    setConnection("connecting");
    conversation.begin(Boolean(player.context));
    state.isStale = false;
    notice("");
  }
  await socket.connect();
}

async function closed({ wasOpen, reason }) {
  const { hangUp } = conversation.known;
  const isTold = state.connection === "connected" && !$("problem").hidden; // why there is no session
  setConnection(hangUp ? "ended" : "lost");
  stopMicrophone();
  conversation.lost();
  if (hangUp) notice(hangUp);
  else if (wasOpen && !isTold) problem(`The connection was lost. ${reason}`.trim());
  else if (!wasOpen) problem(await whyRefused() || "The server does not answer. Is it running?");
}

// The session waits for us: what is said meanwhile is kept, and what is there is played.
function away(isAway) {
  if (isAway) state.connectionBefore = state.connection;
  setConnection(isAway ? "away" : state.connectionBefore);
}

async function reconnect() {
  await player.open().catch(() => {}); // without sound the reply is still written
  socket.leave();
  state.connection = "idle";
  await connect().catch(() => {}); // the reason is on the page already
}

// ---------------------------------------------------------------- microphone

async function startMicrophone() {
  state.microphone = "starting";
  showControls();
  let opened = null;
  try {
    await player.open();
    opened = await openMicrophone(player.context, hear, stopMicrophone);
    await connect();
    opened.listen();
    voice = opened;
    state.microphone = "on";
  } catch (error) {
    opened?.close();
    state.microphone = "off";
    if (error.name !== "ConnectionLost") problem(microphoneProblem(error));
  }
  showControls();
}

// Silence goes in place of what a muted caller says: the server's clock is the audio itself.
function hear({ pcm, level }) {
  if (state.isMuted) new Int16Array(pcm).fill(0);
  showLevel(state.isMuted ? 0 : level);
  socket.sendAudio(pcm);
}

function stopMicrophone() {
  if (!voice) return;
  voice.close();
  voice = null;
  state.microphone = "off";
  showLevel(0);
  socket.send({ type: "end_stream" });
  if (state.isMuted) mute(false);
  showControls();
}

function mute(isMuted) {
  state.isMuted = isMuted;
  socket.send({ type: "mute", muted: isMuted });
  showControls();
}

// ---------------------------------------------------------------- what is seen

function showLevel(level) {
  state.level = level;
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

function setConnection(name) {
  state.connection = name;
  document.body.dataset.state = name;
  $("state").textContent = CONNECTION[name];
  if (name === "ready") problem("");
  showControls();
}

function floor() {
  const isConnected = ["connected", "ready"].includes(state.connection);
  return whoHasTheFloor({ conversation, isConnected, ...state });
}

function showControls() {
  const isOn = state.microphone !== "off";
  const name = floor();
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
  $("reconnect").hidden = !["lost", "ended"].includes(state.connection) && !(isConnected && state.isStale);
  $("stale").hidden = !(isConnected && state.isStale);
}

// ---------------------------------------------------------------- gestures

$("talk").onclick = () => {
  if (state.microphone === "on") stopMicrophone();
  else if (state.microphone === "off") startMicrophone();
};

$("mute").onclick = () => mute(!state.isMuted);

async function say(message) {
  await player.open().catch(() => {}); // without sound the reply is still written
  await connect();
  socket.send(message);
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

setConnection("idle");

// What the page knows, to read and not to write: for tests and for the curious.
window.voicebus = Object.freeze({
  get state() { return state.connection; },
  get floor() { return floor(); },
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
