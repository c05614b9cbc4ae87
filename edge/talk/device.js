// Going on with this conversation on another device, or here with one that began elsewhere.

import { element } from "./dom.js";

function button(className, text, onClick) {
  const made = element("button", className, text);
  made.type = "button";
  made.onclick = onClick;
  return made;
}

export function createDevice({ say, join }) {
  const title = element("h2", "", "Other device");
  title.id = "device-title";
  const code = element("output", "code");
  const note = element("p", "note", "Who has the code goes on with this conversation, once.");
  const typed = element("input", "");
  Object.assign(typed, { type: "text", maxLength: 16, required: true, autocapitalize: "characters", spellcheck: false });
  typed.name = "code";
  const form = element(
    "form", "",
    title,
    button("", "Show a code", () => {
      code.textContent = "…";
      say({ type: "link" }).catch(() => {}); // the reason is on the page
    }),
    code,
    note,
    element("label", "", "Or go on here, with a code from there", typed),
  );
  form.method = "dialog";
  form.autocomplete = "off";
  const close = button("quiet", "Close", () => dialog.close());
  const go = element("button", "", "Go on here");
  go.type = "submit";
  form.append(element("div", "actions", close, go));
  form.onsubmit = () => {
    join(typed.value);
    typed.value = "";
  };
  const dialog = element("dialog", "", form);
  dialog.id = "device";
  dialog.setAttribute("aria-labelledby", title.id);
  document.body.append(dialog);

  return {
    open() {
      code.textContent = "";
      dialog.showModal();
    },
    show({ code: text, expires_s: seconds }) {
      code.textContent = text;
      note.textContent = `Good for ${Math.round(seconds / 60) || 1} min, once.`;
    },
  };
}
