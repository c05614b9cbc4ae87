// Which of a reply's words have been spoken by a moment of its audio: pure.
//
// Stretches of speech and the written reply hold the same words, but white space between them may
// differ. So places in the reply are counted in characters that are not white space.

const UNTIMED_MS = 2000; // a reply that sounds for as long without word times is shown as written

const wordsOf = (text) => text.split(/\s+/).filter(Boolean);
const solid = (text) => text.replace(/\s+/g, "");

// Index in the text right behind its first `count` characters that are not white space.
function indexBehind(text, count) {
  let index = 0;
  for (let seen = 0; seen < count && index < text.length; index += 1) {
    if (/\S/.test(text[index])) seen += 1;
  }
  return index;
}

// When each word begins and ends. A stretch without times of its own is one long word.
function timesOf({ text, start_ms: start, end_ms: end, word_ends_ms: ends = [] }) {
  const words = wordsOf(text);
  if (words.length !== ends.length) return words.map((word) => ({ word, start, end }));
  return words.map((word, i) => ({ word, start: i ? ends[i - 1] : start, end: ends[i] }));
}

function lengthOf(spoken, isIn) {
  const words = spoken.flatMap(timesOf).filter(isIn);
  return words.reduce((sum, { word }) => sum + word.length, 0);
}

// Index in the reply up to which it was heard. The server knows it: its history ends there. Until
// it has said so, the words count whose end has left the player.
function heardUpTo({ reply, spoken, playedMs, heard }) {
  if (heard !== null && solid(reply).startsWith(solid(heard))) {
    return indexBehind(reply, solid(heard).length);
  }
  return indexBehind(reply, lengthOf(spoken, ({ end }) => end <= playedMs));
}

// What is shown of a reply: its words, how far into them it is, and whether it was cut off there.
export function shownOf(turn) {
  const written = turn.reply.trimEnd();
  const isCut = turn.flushed || turn.outcome === "interrupted";
  return { written, index: isCut ? heardUpTo(turn) : shownUpTo(turn), isCut };
}

// Index in the reply up to which it is being spoken: a word appears when it begins.
function shownUpTo({ reply, spoken, playedMs, playing, outcome, isSpoken }) {
  const isUntimed = !spoken.length && playedMs > UNTIMED_MS;
  if (!isSpoken || (outcome && !playing) || isUntimed) return reply.length;
  return indexBehind(reply, lengthOf(spoken, ({ start }) => start < playedMs));
}
