// The way into one conversation from several devices. Loaded when it is asked for.

import { make } from "./view.js";

// ask() asks for a code, which comes to the function returned; join(code) goes on with another's;
// forget() deletes the conversation.
export function createLink({ panel, texts, ask, join, forget, close }) {
  const code = make("output", { "aria-live": "polite" }, "…");
  const input = make("input", { maxlength: "16", placeholder: "ABCD-EFGH", "aria-label": texts.link_enter, autocomplete: "off", autocapitalize: "characters" });
  const back = make("button", { type: "button" }, texts.link_back);
  const bin = make("button", { type: "button", id: "forget" }, texts.forget);
  const form = make("form", {}, input, make("button", { type: "submit", class: "strong" }, texts.link_join));
  const box = make("div", { id: "linking", role: "group", "aria-label": texts.link, tabindex: "-1" },
    make("p", {}, texts.link_code), code, make("p", {}, texts.link_enter), form, back, bin);

  function leave() {
    box.remove();
    close();
  }
  back.onclick = leave;
  bin.onclick = () => {
    forget();
    leave();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    join(input.value.trim());
    leave();
  };
  panel.lastElementChild.before(box);
  box.focus();
  ask().catch(leave); // the reason is shown already
  return (made) => { code.textContent = made; };
}
