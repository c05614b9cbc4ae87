// The loudspeaker: turns go in, what has left of them comes back. The worklet does the counting.

export function createPlayer(onReport) {
  let context = null; // made at the first gesture: browsers keep it silent before
  let node = null;
  let making = null;
  let turn = 0; // the turn to which audio belongs

  async function make() {
    const made = new AudioContext({ latencyHint: "interactive" });
    if (!made.audioWorklet) return; // only on https or localhost; text still works
    await made.audioWorklet.addModule(new URL("player-worklet.js", import.meta.url));
    node = new AudioWorkletNode(made, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    node.port.onmessage = ({ data }) => onReport(data);
    node.connect(made.destination);
    context = made;
  }

  async function open() {
    making ??= make().catch((error) => {
      making = null;
      throw error;
    });
    await making;
    await context?.resume();
  }

  const order = (message, transfer = []) => node?.port.postMessage(message, transfer);

  return {
    open,
    get context() { return context; },
    get output() {
      if (!context) return { audio: false };
      return { audio: true, sample_rate: context.sampleRate >= 44100 ? 48000 : 24000 };
    },
    start(started, rate) {
      turn = started;
      order({ type: "start", turn, rate });
    },
    audio: (pcm) => order({ type: "audio", turn, pcm }, [pcm]),
    end: (ended) => order({ type: "end", turn: ended }),
    pause: (paused) => order({ type: "pause", turn: paused }),
    resume: (resumed) => order({ type: "resume", turn: resumed }),
    flush(flushed, asked) {
      if (node) order({ type: "flush", turn: flushed, asked });
      else onReport({ type: "flushed", turn: flushed, playedMs: 0, asked });
    },
    reset: () => order({ type: "reset" }),
    close: () => making?.then(() => context?.close(), () => {}),
  };
}
