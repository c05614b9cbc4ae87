// What a site wants its widget to be, and what a page says instead.

export const BASE = new URL("./", import.meta.url);

const UNREACHABLE = { code: "unreachable", message: "" };

// The answer: { site } or { error: { code, message } }. A page is not told why a WebSocket was
// refused, so it asks here. The server chooses the language: that of the element, of the site, of
// the page or of the person, the first one that it knows.
export async function fetchSite(element, cache = "default") {
  const url = new URL(`sites/${encodeURIComponent(element.getAttribute("site") ?? "")}`, BASE);
  url.search = new URLSearchParams([
    ["own", element.getAttribute("language") ?? ""],
    ...[element.closest("[lang]")?.lang ?? "", ...navigator.languages].slice(0, 8).map((tag) => ["page", tag]),
  ]);
  try {
    const answer = await fetch(url, { cache });
    const told = await answer.json();
    return answer.ok ? { site: told } : { error: told.error };
  } catch {
    return { error: UNREACHABLE };
  }
}

// The same with the sheets of its shadow root, or neither.
export async function fetchAll(element) {
  const { site, error } = await fetchSite(element);
  if (error) return { error };
  try {
    const looks = await fetch(new URL("widget.css", BASE));
    const sheets = [await looks.text(), site.css].map((css) => new CSSStyleSheet().replace(css));
    return { site, sheets: await Promise.all(sheets) };
  } catch {
    return { error: UNREACHABLE };
  }
}

export function dial(key) {
  const url = new URL(`sites/${encodeURIComponent(key)}/ws`, BASE);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(url);
}

// Those of the site, and of the page: text-title="…" and so on.
export function textsOf(element, site) {
  const texts = { ...site.texts };
  for (const { name, value } of element.attributes) {
    if (name.startsWith("text-")) texts[name.slice(5).replaceAll("-", "_")] = value;
  }
  texts.consent = texts.consent.replaceAll("{host}", BASE.host);
  return texts;
}

// One text that this browser keeps for the page, or at least until the page is closed: what the
// person has agreed to, and the id of the conversation.
export function createStore(kind, name) {
  const key = `voicebus.${name}`;
  let known = "";
  try {
    known = window[kind].getItem(key) ?? "";
  } catch {
    // A browser that stores nothing.
  }
  return {
    get value() { return known; },
    set value(text) {
      known = text;
      try {
        window[kind].setItem(key, text);
      } catch {
        // The same.
      }
    },
  };
}
