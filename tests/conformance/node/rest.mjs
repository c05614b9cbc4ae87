// The REST routes, as the official npm client calls them. Writes what it saw as JSON.
//
//     node rest.mjs BASE_URL RECORDING
import fs from "node:fs";
import OpenAI from "openai";

const [baseURL, recording] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none" });
const model = "gpt-4o-mini";
const messages = [{ role: "user", content: "Say hello." }];
const report = {};

report.models = (await client.models.list()).data.map(({ id }) => id);

const runner = client.chat.completions.stream({
  model, messages, max_tokens: 16, temperature: 0, stream_options: { include_usage: true },
});
let pieces = "";
runner.on("content", (piece) => { pieces += piece; });
const said = await runner.finalChatCompletion();
report.chat = { pieces, text: said.choices[0].message.content, usage: said.usage };

const kinds = [];
const stream = client.responses.stream({ model, input: "Say hello.", max_output_tokens: 16 });
for await (const event of stream) kinds.push(event.type);
report.response = { kinds, text: (await stream.finalResponse()).output_text };

const speech = await client.audio.speech.create({
  model: "tts-1", voice: "alloy", input: "Hello, how are you today?", response_format: "wav",
});
report.speech = {
  type: speech.headers.get("content-type"),
  bytes: (await speech.arrayBuffer()).byteLength,
};

const written = await client.audio.transcriptions.create({
  model: "whisper-1", file: fs.createReadStream(recording),
});
report.transcript = written.text;

let deltas = "";
let last;
for await (const event of await client.audio.transcriptions.create({
  model: "whisper-1", file: fs.createReadStream(recording), stream: true,
})) {
  if (event.type === "transcript.text.delta") deltas += event.delta;
  last = event;
}
report.streamed = { deltas, last: last.type, text: last.text };

try {
  await client.chat.completions.create({ model: "nobody", messages });
} catch (error) {
  report.refused = { name: error.constructor.name, status: error.status, code: error.code,
    hasId: Boolean(error.requestID) };
}

console.log(JSON.stringify(report));
