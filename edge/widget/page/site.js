// What a site wants its widget to be, and what a page says instead.

export const BASE = new URL("./", import.meta.url);

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
    return { error: { code: "unreachable", message: "" } };
  }
}

export async function fetchSheet() {
  const answer = await fetch(new URL("widget.css", BASE));
  return new CSSStyleSheet().replace(await answer.text());
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

// Whether the person has agreed to just this text.
export function createConsent(key, text) {
  const name = `voicebus.consent.${key}`;
  let given = !text;
  try {
    given ||= localStorage.getItem(name) === text;
  } catch {
    // A browser that stores nothing asks again on the next page.
  }
  return {
    get isGiven() { return given; },
    give() {
      given = true;
      try {
        localStorage.setItem(name, text);
      } catch {
        // It is good until the page is closed.
      }
    },
  };
}

// The id of the conversation, for further sessions of this tab: also those of the site's next page.
export function createMemory(name) {
  const key = `voicebus.conversation.${name}`;
  let known = "";
  try {
    known = sessionStorage.getItem(key) ?? "";
  } catch {
    // A browser that stores nothing forgets it with the page.
  }
  return {
    get id() { return known; },
    set id(id) {
      known = id;
      try {
        sessionStorage.setItem(key, id);
      } catch {
        // The same.
      }
    },
  };
}
