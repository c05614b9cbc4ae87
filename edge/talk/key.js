// The API key of a server that wants one. It comes in the address, after the #, which a browser does
// not send; it is kept in this browser, and taken out of the address, so that nobody reads it there.

const NAME = "voicebus.key";
const FORM = /^vb_[0-9a-f]{8}_[0-9a-f]{64}$/;

function stored() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // a browser that stores nothing
  }
}

function taken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given === null) return stored();
  history.replaceState(null, "", location.pathname + location.search);
  try {
    localStorage.setItem(NAME, given);
  } catch {
    // It is good until the page is closed.
  }
  return given;
}

const key = taken();
const isKey = FORM.test(key);

// A page can set no header: the key goes as a subprotocol. The server names the first one only.
export const protocols = () => (isKey ? ["voicebus", key] : []);

// Why the server does not open a connection: a page is not told, so it asks in another way.
export async function whyRefused() {
  try {
    const headers = isKey ? { authorization: `Bearer ${key}` } : {};
    const answer = await fetch("interact", { method: "POST", headers });
    if (![401, 403, 429].includes(answer.status)) return "";
    const { error } = await answer.json();
    const hint = answer.status === 401 ? " Open this page as …/#key=YOUR-KEY." : "";
    return `The server refuses: ${error.message}.${hint}`;
  } catch {
    return "";
  }
}
