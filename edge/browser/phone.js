// A caller: microphone, loudspeaker, session and conversation together. Knows no element of the page.

import { createConversation } from "./conversation.js";
import { openMicrophone } from "./microphone.js";
import { createPlayer } from "./player.js";
import { createSocket } from "./socket.js";

export const IN_SESSION = ["connected", "ready", "away"];

// dial() makes a WebSocket; fields() are those of `start` that the page chooses; words are what
// people are told; take() gets each message after the conversation has understood it.
// show: turn, reply, pending, floor, announce, problem (as the conversation calls them), and
//   connection()   its state has changed: idle, connecting, connected, ready, away, lost, ended
//   begun()        a new session is to be
//   ended({ hangUp, wasOpen, wasReady, reason })
//   code({ code, expires_s })   with which another device joins the conversation
//   level(level)   of what the microphone hears, 0 to 1
export function createPhone({ dial, fields, words, show, take = () => {} }) {
  const state = {
    connection: "idle",
    microphone: "off", // off, starting, on
    isMuted: false,
    level: 0,
  };
  let connectionBefore = "idle"; // while it is away
  let voice = null; // the microphone while it is on
  let wish = 0; // counts: a microphone that is not wanted any more when it is there is closed

  const player = createPlayer((report) => conversation.played(report));
  const socket = createSocket({ dial, hello, receive, closed, away });
  const conversation = createConversation({
    player,
    words,
    send: socket.send,
    show: { ...show, connection: setConnection },
  });

  function receive(data) {
    conversation.receive(data);
    if (!(data instanceof ArrayBuffer)) take(data);
  }

  function setConnection(name) {
    state.connection = name;
    show.connection();
    show.floor();
  }

  // ---------------------------------------------------------------- connection

  function hello() {
    setConnection("connected");
    const { output } = player;
    conversation.sounds(output.audio);
    const start = { type: "start", input: { format: "pcm_s16le" }, output, ...fields() };
    return state.isMuted ? [start, { type: "mute", muted: true }] : [start];
  }

  async function connect() {
    if (IN_SESSION.includes(state.connection)) return;
    if (state.connection !== "connecting") {
      setConnection("connecting");
      conversation.begin();
      show.begun();
    }
    await socket.connect();
  }

  function closed(how) {
    const { hangUp } = conversation.known;
    const wasReady = state.connection !== "connected";
    setConnection(hangUp ? "ended" : "lost");
    stopMicrophone();
    conversation.lost();
    show.ended({ hangUp, wasReady, ...how });
  }

  // The session waits for us: what is said meanwhile is kept, and what is there is played.
  function away(isAway) {
    if (isAway) connectionBefore = state.connection;
    setConnection(isAway ? "away" : connectionBefore);
  }

  function leave() {
    socket.leave();
    conversation.lost();
    setConnection("idle");
  }

  // ---------------------------------------------------------------- microphone

  async function startMicrophone() {
    const ours = wish += 1;
    const expectWanted = () => { if (ours !== wish) throw ours; };
    state.microphone = "starting";
    show.floor();
    let opened = null;
    try {
      await player.open();
      expectWanted();
      opened = await openMicrophone(player.context, hear, stopMicrophone);
      expectWanted();
      // A session that began in writing has no sound.
      if (IN_SESSION.includes(state.connection) && !conversation.known.hasSound) leave();
      await connect();
      expectWanted();
      opened.listen();
      voice = opened;
      state.microphone = "on";
    } catch (error) {
      opened?.close();
      if (ours !== wish) return; // whoever stopped it has shown so
      state.microphone = "off";
      if (error.name !== "ConnectionLost") show.problem(words.microphone(error));
    }
    show.floor();
  }

  function showLevel(level) {
    state.level = level;
    show.level(level);
  }

  // Silence goes in place of what a muted caller says: the server's clock is the audio itself.
  function hear({ pcm, level }) {
    if (state.isMuted) new Int16Array(pcm).fill(0);
    showLevel(state.isMuted ? 0 : level);
    socket.sendAudio(pcm);
  }

  function stopMicrophone() {
    wish += 1;
    if (state.microphone === "off") return;
    state.microphone = "off";
    showLevel(0);
    if (voice) {
      voice.close();
      voice = null;
      socket.send({ type: "end_stream" });
    }
    if (state.isMuted) mute(false);
    show.floor();
  }

  function mute(isMuted) {
    state.isMuted = isMuted;
    socket.send({ type: "mute", muted: isMuted });
    show.floor();
  }

  return {
    state,
    player,
    conversation,
    startMicrophone,
    stopMicrophone,
    mute,
    leave,
    async say(message) {
      await connect();
      socket.send(message);
    },
    async reconnect() {
      socket.leave();
      state.connection = "idle";
      await connect();
    },
    // Who has the floor: the first line that applies is the state.
    get floor() {
      const { known } = conversation;
      if (conversation.isPaused) return "paused";
      if (conversation.isSounding) return "assistant";
      if (known.isInterrupted) return "interrupted";
      if (known.callerSpeaks) return "caller";
      if (conversation.isThinking) return "thinking";
      if (state.microphone !== "on") return state.microphone;
      if (!["connected", "ready"].includes(state.connection)) return "waiting";
      return state.isMuted ? "muted" : "listening";
    },
  };
}
