// Where a turn's time went. Stages may overlap: what is prepared during the hold costs no time.

import { element } from "./dom.js";

const milliseconds = (ms) => `${Math.round(ms).toLocaleString("en")} ms`;

function isSpeculated({ stages }) {
  const decision = stages.find(({ name }) => name === "hold")?.end_ms ?? -Infinity;
  return stages.some(({ name, start_ms: start }) => ["llm", "tts"].includes(name) && start < decision);
}

export function waterfall(turn) {
  const { stages, responseMs } = turn;
  const begin = Math.min(0, ...stages.map((stage) => stage.start_ms));
  const span = Math.max(responseMs ?? 0, ...stages.map((stage) => stage.end_ms), begin + 1) - begin;
  const place = (ms) => (100 * (ms - begin)) / span;
  const decision = stages.find(({ name }) => name === "hold")?.end_ms;

  const rows = stages.map(({ name, start_ms: start, end_ms: end }) => {
    const bar = element("span", `bar ${name}`);
    bar.style.left = `${Math.min(99.5, place(start))}%`;
    bar.style.width = `${place(end) - place(Math.min(start, end))}%`;
    const track = element("span", "track", bar);
    if (decision !== undefined) {
      const line = element("span", "decision");
      line.style.left = `${place(decision)}%`;
      track.append(line);
    }
    const label = element("th", "", name);
    label.scope = "row";
    const from = element("td", "from", milliseconds(start));
    return element("tr", "", label, element("td", "", track), from, element("td", "took", milliseconds(end - start)));
  });

  const heads = ["stage", "", "from", "took"].map((name) => {
    const head = element("th", "", name);
    head.scope = "col";
    return head;
  });
  const table = element("table", "", element("thead", "", element("tr", "", ...heads)), element("tbody", "", ...rows));
  const title = element("h3", "", "Answered after ", element("b", "", milliseconds(responseMs ?? span)));
  const section = element("section", "waterfall", title);
  if (isSpeculated(turn)) section.append(element("p", "speculated", "Prepared while you paused"));
  section.append(table);
  return section;
}
