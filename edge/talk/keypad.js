// The keys of a telephone, for who must press 1 to go on.

import { $, element } from "./dom.js";

const KEYS = "123456789*0#";

export function createKeypad(onKey) {
  const panel = $("keypad");
  const toggle = $("keypad-open");

  function press(key) {
    $("keypad-pressed").append(key);
    onKey(key);
  }

  for (const key of KEYS) {
    const button = element("button", "", key);
    button.type = "button";
    button.onclick = () => press(key);
    $("keys").append(button);
  }
  panel.onkeydown = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation(); // elsewhere it stops the reply
      toggle.click();
      toggle.focus();
    } else if (KEYS.includes(event.key)) press(event.key);
  };
  toggle.onclick = () => {
    panel.hidden = !panel.hidden;
    toggle.setAttribute("aria-expanded", String(!panel.hidden));
    $("keypad-pressed").textContent = "";
    if (!panel.hidden) $("keys").firstElementChild.focus();
  };
}
