// A function's round trip through the npm client's own runner, which calls a function of ours.
//
//     node tools.mjs BASE_URL
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none" });
const asked = [];
const runner = client.chat.completions.runTools({
  model: "gpt-4o-mini",
  stream: true,
  messages: [{ role: "user", content: "What is the weather in Paris?" }],
  tools: [{
    type: "function",
    function: {
      name: "get_weather",
      parse: JSON.parse,
      parameters: { type: "object", properties: { city: { type: "string" } } },
      function: (given) => { asked.push(given); return "clear"; },
    },
  }],
});
console.log(JSON.stringify({ text: await runner.finalContent(), asked }));
