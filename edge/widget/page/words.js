// The texts of a site, as a conversation wants them.

const ERRORS = {
  busy: "error_busy",
  no_worker: "error_busy",
  too_many_sessions: "error_busy",
  too_many_connections: "error_too_much",
  too_many_turns: "error_too_much",
  too_many_tokens: "error_too_much",
  origin_forbidden: "refused",
  site_unknown: "refused",
  link_refused: "link_refused",
  too_many_codes: "error_too_much",
};

const MICROPHONE = {
  NotAllowedError: "microphone_refused",
  NotFoundError: "microphone_missing",
  SecurityError: "microphone_insecure",
};

// What people are told of errors: in the widget's words where it has some, else in the server's.
export const errorText = (texts, { code, message }) => texts[ERRORS[code]] ?? message;

export function wordsOf(texts) {
  return {
    you: (text) => `${texts.you}: ${text}`,
    reply: (text) => `${texts.assistant}: ${text}`,
    nothingHeard: texts.nothing_heard,
    hangUp: (reason) => (reason === "forgotten" ? texts.forgotten : texts.call_ended),
    error: (error) => errorText(texts, error),
    microphone: ({ name }) => texts[MICROPHONE[name] ?? "microphone_busy"],
  };
}
