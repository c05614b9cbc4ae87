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
