// What this client has of the conversation: a server that knows nothing of it is told.

export function createHas() {
  let has = { utterance: 0 };
  let told = new Set();

  function begin(turn) {
    has = { utterance: has.utterance, turn, characters: 0, audio_bytes: 0, spoken: 0 };
    told = new Set();
  }
  begin(0);

  return {
    takeAudio(bytes) { has.audio_bytes += bytes; },
    take(message) {
      const { type, turn } = message;
      if (type === "final") has.utterance = message.utterance;
      else if (type === "turn_started") begin(turn);
      else if (!turn || turn !== has.turn) return;
      else if (type === "reply_text") has.characters += [...message.text].length;
      else if (type === "spoken") has.spoken += 1;
      else if (type === "resume") told.delete("pause");
      else told.add(type);
      if (type === "audio_start") has.audio_bytes = 0;
    },
    message: () => ({ ...has, told: [...told] }),
  };
}
