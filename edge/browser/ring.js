// Frames for the server, counted from 1 and kept until it has stored them: pure.

const LIMIT_BYTES = 4 << 20; // two minutes of speech: more than a server waits

export function createRing() {
  const frames = [];
  let last = 0;
  let bytes = 0;

  const sizeOf = (frame) => frame.byteLength ?? frame.length;
  function drop() {
    bytes -= sizeOf(frames.shift());
  }

  return {
    push(frame) {
      last += 1;
      bytes += sizeOf(frame);
      frames.push(frame);
      while (bytes > LIMIT_BYTES) drop();
    },
    acknowledge(count) {
      while (frames.length && last - frames.length < count) drop();
    },
    // Those behind the first `count`; null when some of them are no longer here.
    after(count) {
      const gone = last - frames.length;
      return gone <= count && count <= last ? frames.slice(count - gone) : null;
    },
  };
}
