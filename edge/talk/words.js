// What people are told, in English.

const HANG_UPS = {
  silence: "The call has ended: nothing was said for a while.",
  limit: "The call has ended: it has reached its longest time.",
  forgotten: "The call has ended: its conversation was deleted.",
};

const MICROPHONE = {
  NotAllowedError: "The browser does not let this page use the microphone. Allow it in the address bar, or type instead.",
  NotFoundError: "No microphone was found. Connect one, or type instead.",
  NotReadableError: "The microphone is used by another program. Close that one and try again.",
  SecurityError: "Browsers give the microphone only to pages on https or localhost. You can type instead.",
};

export const WORDS = {
  you: (text) => `You: ${text}`,
  reply: (text) => `Reply: ${text}`,
  nothingHeard: "No words were heard. Is the right microphone chosen?",
  hangUp: (reason) => HANG_UPS[reason] ?? `The call has ended: ${reason}.`,
  error: ({ message, retryable }) => (retryable ? `${message} You can try again.` : message),
  microphone: ({ name, message }) => MICROPHONE[name] ?? `The microphone could not be opened (${name}: ${message}).`,
};

export const CONNECTION = {
  idle: "Not connected",
  connecting: "Connecting…",
  connected: "Waiting for workers…",
  ready: "Connected",
  away: "Reconnecting…",
  lost: "Disconnected",
  ended: "Call ended",
};

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
