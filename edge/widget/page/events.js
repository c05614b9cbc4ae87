// What the widget tells: in its status line, and to the page.

// The text for a state of the floor whose name it has not.
export const FLOOR = {
  starting: "connecting",
  waiting: "connecting",
  caller: "you_speak",
  assistant: "speaking",
};

// Which messages of the server are events of the element, and what of them.
export const EVENTS = {
  partial: ({ text, stable }) => ["caption", { text, stable, final: false }],
  final: ({ text }) => ["caption", { text, stable: text.length, final: true }],
  turn_started: ({ turn, text, said }) => ["turn", { turn, text, said: said ?? "" }],
  reply_text: ({ turn, text, anew = false }) => ["reply", { turn, text, anew, done: false }],
  reply_done: ({ turn, text }) => ["reply", { turn, text, done: true }],
  turn_ended: ({ turn, outcome, heard_ms: heardMs }) => ["turnend", { turn, outcome, heardMs }],
  error: ({ code, message }) => ["error", { code, message }],
};
