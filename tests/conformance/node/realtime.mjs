// Conversations over ws, as the official npm client has them. Writes what it saw as JSON.
//
//     node realtime.mjs BASE_URL PCM [tools]
//
// PCM is a file with a sentence and the silence behind it: 24 kHz, s16le, without a header.
// With "tools" a function's call and its result, and nothing else.
import fs from "node:fs";
import net from "node:net";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const [baseURL, recording, part] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none" });
const transcription = { model: "whisper-1" };
const report = {};

// This client speaks wss: only. Without TLS in front of the edge the connection is made for it.
const plain = { createConnection: ({ host, port }) => net.connect({ host, port }) };

/** Open a session; `until` waits for an event of a type, `seen` has all that came. */
async function connect(session, target = { model: "gpt-realtime" }) {
  const rt = new OpenAIRealtimeWS({ ...target, options: plain }, client);
  const seen = [];
  const failed = new Promise((_, reject) => {
    rt.socket.on("close", () => reject(new Error("closed")));
  });
  failed.catch(() => {});
  let wake = () => {};
  rt.on("event", (event) => { seen.push(event); wake(); });
  rt.on("error", () => {}); // those of the server are among the events
  let read = 0;
  const until = async (type) => {
    for (;;) {
      while (read < seen.length) if (seen[read++].type === type) return seen[read - 1];
      await Promise.race([new Promise((resolve) => { wake = resolve; }), failed]);
    }
  };
  await until("session.created");
  rt.send({ type: "session.update", session });
  await until("session.updated");
  const of = (type) => seen.filter((event) => event.type === type);
  return { rt, until, of };
}

const say = (rt, text) => rt.send({
  type: "conversation.item.create",
  item: { type: "message", role: "user", content: [{ type: "input_text", text }] },
});

function speak(rt) {
  const pcm = fs.readFileSync(recording);
  for (let at = 0; at < pcm.length; at += 48000) {
    const audio = pcm.subarray(at, at + 48000).toString("base64");
    rt.send({ type: "input_audio_buffer.append", audio });
  }
}

if (part === "tools") {
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const tools = [{ type: "function", name: "get_weather", parameters }];
  const { rt, until } = await connect({ type: "realtime", output_modalities: ["text"], tools });
  say(rt, "What is the weather in Paris?");
  rt.send({ type: "response.create" });
  const [call] = (await until("response.done")).response.output;
  const output = { type: "function_call_output", call_id: call.call_id, output: "clear" };
  rt.send({ type: "conversation.item.create", item: output });
  rt.send({ type: "response.create" });
  const { response } = await until("response.done");
  console.log(JSON.stringify({ call, response }));
  process.exit(0);
}
{
  const { rt, until, of } = await connect({
    type: "realtime", output_modalities: ["text"], audio: { input: { turn_detection: null } },
  });
  rt.send({ type: "no.such.event", event_id: "bad" });
  const bad = await until("error");
  say(rt, "Say hello.");
  rt.send({ type: "response.create", response: { metadata: { topic: "greeting" } } });
  const { response } = await until("response.done");
  rt.send({ type: "response.cancel" });
  const late = await until("error");
  const pieces = of("response.output_text.delta").map(({ delta }) => delta).join("");
  report.text = { bad: bad.error, late: late.error, pieces, response };
  rt.close();
}
{
  const { rt, until, of } = await connect({
    type: "realtime", output_modalities: ["audio"],
    audio: { input: { turn_detection: { type: "server_vad" }, transcription } },
  });
  speak(rt);
  const { response } = await until("response.done");
  const audio = of("response.output_audio.delta").map(({ delta }) => Buffer.from(delta, "base64"));
  report.spoken = {
    heard: of("conversation.item.input_audio_transcription.completed")[0].transcript,
    bytes: Buffer.concat(audio).length,
    response,
  };
  rt.close();
}
{
  const input = { turn_detection: { type: "server_vad" }, transcription };
  const { rt, until, of } = await connect(
    { type: "transcription", audio: { input } }, { intent: "transcription" },
  );
  speak(rt);
  const { transcript } = await until("conversation.item.input_audio_transcription.completed");
  report.written = { transcript, responses: of("response.created").length };
  rt.close();
}
{
  const { rt, until, of } = await connect({
    type: "realtime", output_modalities: ["audio"], instructions: "Answer in long sentences.",
    audio: { input: { turn_detection: null, transcription } },
  });
  const create = (response) => rt.send({ type: "response.create", response });
  speak(rt);
  rt.send({ type: "input_audio_buffer.commit" });
  const { item_id: committed } = await until("input_audio_buffer.committed");
  create();
  // Another one, beside the conversation, while the first is made.
  create({
    conversation: "none", output_modalities: ["text"], metadata: { topic: "aside" },
    input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Say hello." }] }],
  });
  // The user speaks over it: the client stops its player, cancels, and says what was heard.
  const { item_id } = await until("response.output_audio.delta");
  rt.send({ type: "response.cancel" });
  const cut = (await until("response.done")).response;
  const aside = (await until("response.done")).response;
  rt.send({
    type: "conversation.item.truncate", item_id, content_index: 0, audio_end_ms: 10,
  });
  await until("conversation.item.truncated");
  rt.send({ type: "conversation.item.retrieve", item_id });
  const kept = (await until("conversation.item.retrieved")).item;
  const items = of("conversation.item.added").map(({ item }) => item.id);
  report.byHand = {
    committed, cut, aside, kept, items,
    heard: of("conversation.item.input_audio_transcription.completed")[0].transcript,
    started: of("input_audio_buffer.speech_started").length,
  };
  rt.close();
}
console.log(JSON.stringify(report));
process.exit(0);
