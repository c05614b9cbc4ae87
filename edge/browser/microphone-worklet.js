// The microphone at the device's rate in; 20 ms frames of s16le mono at 16 kHz out.

const RATE_HZ = 16000;
const FRAME_SAMPLES = 320;
const ZERO_CROSSINGS = 12;

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

// One low-pass (windowed sinc, unit gain) per fraction of an input sample at which an output can fall.
function lowPassTable(inputHz, phases, half) {
  const cutoff = 0.92 * Math.min(1, RATE_HZ / inputHz);
  return Array.from({ length: phases }, (_, phase) => {
    const taps = new Float32Array(2 * half);
    let sum = 0;
    for (let i = 0; i < taps.length; i += 1) {
      const x = i - half + 1 - phase / phases;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      const window = Math.abs(x) >= half ? 0 : 0.5 + 0.5 * Math.cos((Math.PI * x) / half);
      taps[i] = sinc * window;
      sum += taps[i];
    }
    return taps.map((tap) => tap / sum);
  });
}

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    const divisor = greatestCommonDivisor(sampleRate, RATE_HZ);
    this.phases = RATE_HZ / divisor;
    this.step = sampleRate / divisor; // input samples per output, in units of 1 / phases
    this.half = Math.ceil(ZERO_CROSSINGS * Math.max(1, sampleRate / RATE_HZ));
    this.table = lowPassTable(sampleRate, this.phases, this.half);
    this.history = new Float32Array(2 * this.half + 8192);
    this.filled = 2 * this.half - 1;
    this.position = (this.half - 1) * this.phases;
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.frameFilled = 0;
    this.power = 0;
  }

  process(inputs) {
    const input = inputs[0][0];
    if (!input) return true;
    this.history.set(input, this.filled);
    this.filled += input.length;
    let index = Math.floor(this.position / this.phases);
    while (index + this.half < this.filled) {
      this.emit(index, this.table[this.position % this.phases]);
      this.position += this.step;
      index = Math.floor(this.position / this.phases);
    }
    const done = index - this.half + 1;
    this.history.copyWithin(0, done, this.filled);
    this.filled -= done;
    this.position -= done * this.phases;
    return true;
  }

  emit(index, taps) {
    const start = index - this.half + 1;
    let value = 0;
    for (let i = 0; i < taps.length; i += 1) value += taps[i] * this.history[start + i];
    value = Math.max(-1, Math.min(1, value));
    this.power += value * value;
    this.frame[this.frameFilled] = Math.round(value * 32767);
    this.frameFilled += 1;
    if (this.frameFilled < FRAME_SAMPLES) return;
    const pcm = this.frame.buffer;
    this.port.postMessage({ pcm, level: Math.sqrt(this.power / FRAME_SAMPLES) }, [pcm]);
    this.frame = new Int16Array(FRAME_SAMPLES);
    this.frameFilled = 0;
    this.power = 0;
  }
}

registerProcessor("microphone", Microphone);
