// The microphone: frames of 20 ms, s16le mono at 16 kHz, while it is on.

// onFrame gets {pcm, level}; onEnded is called when the device is pulled out.
export async function openMicrophone(context, onFrame, onEnded) {
  if (!navigator.mediaDevices || !context) throw new DOMException("", "SecurityError");
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
  const release = () => stream.getTracks().forEach((track) => track.stop());
  try {
    await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
  } catch (error) {
    release();
    throw error;
  }
  stream.getAudioTracks()[0].onended = onEnded;
  let source = null;
  let worklet = null;
  return {
    listen() {
      source = context.createMediaStreamSource(stream);
      worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
      worklet.port.onmessage = ({ data }) => onFrame(data);
      source.connect(worklet);
    },
    close() {
      source?.disconnect();
      if (worklet) worklet.port.onmessage = null;
      release();
    },
  };
}
