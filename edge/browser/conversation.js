// What the server and the player say becomes what is known of the conversation. Knows no element of
// the page: `show` is told what has changed.

const HANG_UPS = {
  silence: "The call has ended: nothing was said for a while.",
  limit: "The call has ended: it has reached its longest time.",
};

function newTurn(number, isSpoken) {
  return {
    number,
    isSpoken, // false in a session without sound: its replies are read only
    begun: false,
    text: "",
    said: false, // the assistant speaks by itself
    reply: "",
    spoken: [], // stretches of the reply's audio with their words
    asides: [], // what the caller said meanwhile without taking the floor
    outcome: "",
    heard: null, // the words that the server's history keeps, once it has said so
    heardMs: null,
    error: "",
    synthetic: false,
    responseMs: null,
    stages: [],
    hasSound: false, // its audio has begun to come
    audioSeconds: 0,
    playedMs: 0,
    playing: false,
    paused: false,
    flushed: false, // given up, here or by the server
  };
}

export function createConversation({ player, send, show, words }) {
  const known = {
    sessionId: "",
    audioInfo: null,
    hasSound: false,
    turns: new Map(),
    errors: [],
    partial: null, // { text, stable } while the caller speaks
    settled: [], // finals that no turn has taken yet
    callerSpeaks: false,
    isWaiting: false, // words are settled, and no turn has begun
    isInterrupted: false,
    heardSinceStart: false,
    hangUp: "",
  };

  function turnOf(number) {
    if (!known.turns.has(number)) known.turns.set(number, newTurn(number, known.hasSound));
    return known.turns.get(number);
  }

  const find = (is) => [...known.turns.values()].find(is);
  const isSounding = (turn) => turn.playing && !turn.flushed;
  const isThinking = (turn) => turn.begun && !turn.outcome && !turn.flushed && !turn.hasSound;
  const isRunning = (turn) => isSounding(turn) || isThinking(turn);

  function pending(partial) {
    known.partial = partial;
    show.pending();
    show.floor();
  }

  // Words that were said during the reply and left the floor with it.
  function aside(turn, ...words) {
    turn.asides.push(...words);
    show.turn(turn);
  }

  // The reply was given up. Only a turn that was under way is an interruption to tell of.
  function interrupt(turn) {
    if (turn.begun && !turn.flushed) known.isInterrupted = true;
    turn.flushed = true;
    turn.paused = false;
    known.isWaiting = false;
  }

  const onMessage = {
    metadata(message) {
      known.sessionId = message.session_id ?? known.sessionId;
      known.audioInfo = message.audio_info ?? known.audioInfo;
    },
    ready() { show.connection("ready"); },
    speech_started() {
      known.callerSpeaks = true;
      known.isInterrupted = false;
      pending({ text: "…", stable: 0 });
    },
    partial({ text, stable = 0 }) {
      known.callerSpeaks = true;
      known.isInterrupted = false;
      pending({ text, stable });
    },
    final({ text }) {
      known.callerSpeaks = false;
      known.isInterrupted &&= !text;
      if (text) {
        known.heardSinceStart = true;
        const reply = find(isSounding);
        known.isWaiting = !reply;
        if (reply && !reply.paused) aside(reply, text);
        else known.settled.push(text);
      }
      pending(null);
    },
    turn_started(message) {
      const turn = turnOf(message.turn);
      Object.assign(turn, { begun: true, text: message.text });
      if (message.said) {
        Object.assign(turn, { said: true, reply: message.said });
      } else {
        known.heardSinceStart = true;
        known.settled = [];
        show.announce(words.you(message.text));
      }
      for (const other of known.turns.values()) {
        const kept = other.asides.filter((words) => !message.text.includes(words)); // a turn after all
        if (kept.length === other.asides.length) continue;
        other.asides = kept;
        show.turn(other);
      }
      known.isWaiting = false;
      known.isInterrupted = false;
      show.turn(turn);
      show.pending();
      show.floor();
    },
    reply_text(message) {
      const turn = turnOf(message.turn);
      if (message.anew) turn.reply = "";
      if (!turn.said) turn.reply += message.text;
      show.turn(turn);
    },
    reply_done(message) {
      const turn = turnOf(message.turn);
      turn.reply = message.text;
      turn.synthetic ||= Boolean(message.synthetic);
      show.turn(turn);
      show.announce(words.reply(message.text));
    },
    spoken(message) {
      const turn = turnOf(message.turn);
      turn.spoken.push(message);
      show.turn(turn);
    },
    audio_start(message) {
      const turn = turnOf(message.turn);
      turn.hasSound = known.hasSound;
      turn.playing = turn.hasSound && !turn.flushed;
      player.start(turn.number, message.sample_rate);
      show.floor();
    },
    audio_complete(message) {
      const turn = turnOf(message.turn);
      turn.audioSeconds = message.audio_seconds;
      turn.synthetic ||= Boolean(message.synthetic);
      player.end(turn.number);
    },
    latency(message) {
      const turn = turnOf(message.turn);
      turn.responseMs = message.response_ms;
      turn.stages = message.stages;
      show.turn(turn);
    },
    pause(message) {
      turnOf(message.turn).paused = true;
      player.pause(message.turn);
      show.floor();
    },
    resume(message) {
      const turn = turnOf(message.turn);
      turn.paused = false;
      aside(turn, ...known.settled);
      known.settled = [];
      player.resume(message.turn);
      pending(known.partial);
    },
    flush(message) {
      const turn = turnOf(message.turn);
      player.flush(turn.number, true);
      interrupt(turn);
      if (turn.begun) show.turn(turn);
      show.floor();
    },
    turn_ended(message) {
      const turn = turnOf(message.turn);
      if (message.outcome === "interrupted") {
        if (!turn.flushed) player.flush(turn.number, false);
        interrupt(turn);
        turn.heard = message.reply ?? null;
        turn.heardMs = message.heard_ms ?? null;
      } else if (!turn.audioSeconds) player.end(turn.number);
      turn.outcome = message.outcome;
      turn.paused = false;
      show.turn(turn);
      show.floor();
    },
    nothing_heard() {
      Object.assign(known, { callerSpeaks: false, isWaiting: false });
      pending(null);
      if (!known.heardSinceStart) show.problem(words.nothingHeard);
    },
    link_code(message) { show.code(message); },
    hang_up({ reason }) { known.hangUp = words.hangUp(reason); },
    error(message) {
      const { code, stage } = message;
      known.errors.push({ code, stage, message: message.message });
      known.isWaiting = false;
      const sentence = words.error(message);
      if (message.turn) {
        const turn = turnOf(message.turn);
        turn.error = sentence;
        show.turn(turn);
      } else show.problem(sentence);
      show.floor();
    },
  };

  return {
    known,
    receive(data) {
      if (data instanceof ArrayBuffer) player.audio(data);
      else onMessage[data.type]?.(data);
    },
    // A new session counts its turns from 1 again.
    begin() {
      known.turns.clear();
      Object.assign(known, { hangUp: "", heardSinceStart: false, settled: [] });
      Object.assign(known, { callerSpeaks: false, isWaiting: false, isInterrupted: false });
      player.reset();
      pending(null);
    },
    // Whether the session that begins has sound.
    sounds(hasSound) { known.hasSound = hasSound; },
    // After a hang-up the rest is heard; without a server there is nothing more to be had.
    lost() {
      for (const turn of known.turns.values()) {
        if (known.hangUp) player.end(turn.number);
        else if (turn.playing) {
          turn.flushed = true;
          player.flush(turn.number, false);
        }
        turn.outcome ||= known.hangUp ? "completed" : "failed";
        turn.paused = false;
        if (turn.begun) show.turn(turn);
      }
      Object.assign(known, { callerSpeaks: false, isWaiting: false, isInterrupted: false });
      pending(null);
    },
    cancel() {
      send({ type: "cancel" });
      for (const turn of known.turns.values()) {
        if (!isRunning(turn)) continue;
        player.flush(turn.number, false);
        interrupt(turn);
        show.turn(turn);
      }
      show.floor();
    },
    played({ type, turn: number, playedMs, asked }) {
      const turn = turnOf(number);
      turn.playedMs = playedMs;
      const isOver = type === "ended" || type === "flushed";
      if (isOver) turn.playing = false;
      if (asked) send({ type: "flushed", turn: number, played_ms: playedMs });
      else if (type !== "position" && turn.hasSound) send({ type: "played", turn: number, played_ms: playedMs });
      show.reply(turn);
      if (isOver) show.floor();
    },
    get isRunning() { return Boolean(find(isRunning)); },
    get isPaused() { return Boolean(find((turn) => turn.paused)); },
    get isSounding() { return Boolean(find(isSounding)); },
    get isThinking() { return known.isWaiting || Boolean(find(isThinking)); },
  };
}
