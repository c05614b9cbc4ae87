// Plays the replies turn by turn from growing ring buffers, and counts what leaves.
//
// in:  {type: "start", turn, rate}  {type: "audio", turn, pcm}  {type: "end", turn}
//      {type: "pause", turn}  {type: "resume", turn}  {type: "flush", turn, asked}  {type: "reset"}
// out: {type, turn, playedMs, asked}; type is
//      position  about every 50 ms while playing, for captions
//      report    in its place every 250 ms, also of what has left last when more is late; at a pause
//      ended     once, when all of a complete turn has left
//      flushed   the answer to every flush; asked is what came with it
//
// A cut wave clicks, so a pause or a flush lets the next 5 ms leave while they fade. They are taken
// from the buffer and counted when the order is read: its answer is exact and waits for nothing.

const REPORT_SECONDS = 0.25;
const POSITION_SECONDS = 0.05;
const FADE_SAMPLES = Math.round(0.005 * sampleRate);

class Reply {
  constructor(turn, rate) {
    this.turn = turn;
    this.rate = rate;
    this.ring = new Float32Array(rate * 8);
    this.written = 0; // samples at the turn's rate
    this.left = 0; // samples at the device's rate: counted, never summed up from fractions
    this.toldLeft = 0;
    this.gain = 1;
    this.complete = false;
  }

  get read() {
    return (this.left * this.rate) / sampleRate;
  }

  get hasMore() {
    return this.read < this.written;
  }

  // Rounded down: more than was sent cannot have been heard.
  get playedMs() {
    return Math.floor((1000 * Math.min(this.read, this.written)) / this.rate);
  }

  write(samples) {
    const kept = Math.min(Math.floor(this.read), this.written);
    if (this.written - kept + samples.length > this.ring.length) this.grow(kept, samples.length);
    for (let i = 0; i < samples.length; i += 1) {
      this.ring[(this.written + i) % this.ring.length] = samples[i] / 32768;
    }
    this.written += samples.length;
  }

  grow(kept, more) {
    const larger = new Float32Array(2 * (this.written - kept + more));
    for (let i = kept; i < this.written; i += 1) larger[i % larger.length] = this.at(i);
    this.ring = larger;
  }

  at(index) {
    return this.ring[index % this.ring.length];
  }

  take() {
    const index = Math.floor(this.read);
    const fraction = this.read - index;
    const next = index + 1 < this.written ? index + 1 : index;
    const sample = this.at(index) * (1 - fraction) + this.at(next) * fraction;
    this.left += 1;
    this.gain = Math.min(1, this.gain + 1 / FADE_SAMPLES);
    return sample;
  }

  next() {
    const { gain } = this; // below 1 only after a pause
    return gain * this.take();
  }

  fadeOut() {
    const { gain } = this;
    const tail = [];
    while (tail.length < FADE_SAMPLES && this.hasMore) {
      tail.push(gain * (1 - (tail.length + 1) / FADE_SAMPLES) * this.take());
    }
    this.gain = 0;
    return tail;
  }
}

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.forget();
    this.tail = [];
    this.positionAt = 0;
    this.reportAt = 0;
    this.port.onmessage = ({ data }) => this.obey(data);
  }

  forget() {
    this.replies = []; // in the order in which they are heard
    this.paused = new Set();
    this.over = new Map(); // what left of the turns that are no longer in replies
  }

  obey({ type, turn, rate, pcm, asked }) {
    const reply = this.replies.find((one) => one.turn === turn);
    if (type === "start" && !reply && !this.over.has(turn)) this.replies.push(new Reply(turn, rate));
    if (type === "audio") reply?.write(new Int16Array(pcm));
    if (type === "end" && reply) reply.complete = true;
    if (type === "pause") this.pause(turn, reply);
    if (type === "resume") this.paused.delete(turn);
    if (type === "flush") this.flush(turn, reply, asked);
    if (type === "reset") {
      this.fadeOut(this.replies[0]);
      this.forget();
    }
  }

  // The order may come before the audio that it is about.
  pause(turn, reply) {
    this.fadeOut(reply);
    this.paused.add(turn);
    if (reply?.left) this.tell("report", reply);
  }

  flush(turn, reply, asked) {
    this.fadeOut(reply);
    this.paused.delete(turn);
    const playedMs = reply?.playedMs ?? this.over.get(turn) ?? 0;
    this.replies = this.replies.filter((one) => one !== reply);
    this.over.set(turn, playedMs);
    this.port.postMessage({ type: "flushed", turn, playedMs, asked });
  }

  fadeOut(reply) {
    if (reply?.left && !this.paused.has(reply.turn)) this.tail.push(...reply.fadeOut());
  }

  process(_inputs, outputs) {
    const output = outputs[0][0];
    let filled = 0;
    while (filled < output.length && this.tail.length) output[filled++] = this.tail.shift();
    let reply = this.replies[0];
    while (reply) {
      const isPaused = this.paused.has(reply.turn);
      while (!isPaused && filled < output.length && reply.hasMore) output[filled++] = reply.next();
      if (!reply.complete || reply.hasMore) break;
      this.replies.shift();
      this.over.set(reply.turn, reply.playedMs);
      this.tell("ended", reply);
      reply = this.replies[0];
    }
    if (!reply || reply.left === reply.toldLeft) return true;
    if (currentTime >= this.reportAt) this.tell("report", reply);
    else if (filled && currentTime >= this.positionAt) this.tell("position", reply);
    return true;
  }

  tell(type, reply) {
    this.positionAt = currentTime + POSITION_SECONDS;
    if (type !== "position") {
      this.reportAt = currentTime + REPORT_SECONDS;
      reply.toldLeft = reply.left;
    }
    this.port.postMessage({ type, turn: reply.turn, playedMs: reply.playedMs });
  }
}

registerProcessor("player", Player);
