// Who has the floor: pure. The first line that applies is the state.

export function whoHasTheFloor({ conversation, microphone, isMuted, isConnected }) {
  const { known } = conversation;
  if (conversation.isPaused) return "paused";
  if (conversation.isSounding) return "assistant";
  if (known.isInterrupted) return "interrupted";
  if (known.callerSpeaks) return "caller";
  if (conversation.isThinking) return "thinking";
  if (microphone !== "on") return microphone;
  if (!isConnected) return "waiting";
  return isMuted ? "muted" : "listening";
}

export const FLOOR = {
  off: ["Microphone off", "Press the button, or type."],
  starting: ["Waiting for the microphone…", "The browser may ask you for it."],
  waiting: ["Waiting for the server…", "What you say meanwhile is kept."],
  muted: ["You are muted", "Nothing that you say is sent."],
  listening: ["Listening", "Speak when you like."],
  caller: ["You speak", "A pause ends your turn."],
  thinking: ["Thinking…", "The answer is being made."],
  assistant: ["The assistant speaks", "Speak to interrupt, or press Escape."],
  paused: ["Paused while you speak", "It goes on if you say no more."],
  interrupted: ["Interrupted", "The rest of the reply is dropped. Go on."],
};
