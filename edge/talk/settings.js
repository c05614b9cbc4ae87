// What the person has chosen for the sessions to come. It stays in this browser.

import { $ } from "./dom.js";

const KEY = "voicebus.settings";
const DEFAULTS = { language: "", voice: "", speed: 1, policy: "balanced", interruptions: true, greeting: "" };

// What an older page or another hand has stored must not break this one.
function stored() {
  try {
    const read = Object.entries(JSON.parse(localStorage.getItem(KEY)) ?? {});
    return Object.fromEntries(read.filter(([name, value]) => typeof value === typeof DEFAULTS[name]));
  } catch {
    return {};
  }
}

// Fields of the start message; what is as it would be anyway is left to the server.
export function startFields({ language, voice, speed, policy, interruptions, greeting }) {
  return {
    ...(language && { language }),
    ...(voice && { voice }),
    ...(speed !== 1 && { speed }),
    ...(policy !== "balanced" && { end_of_turn: { policy } }),
    ...(!interruptions && { interruption: { allowed: false } }),
    ...(greeting && { greeting }),
  };
}

export function createSettings(onChange) {
  let chosen = { ...DEFAULTS, ...stored() };
  const dialog = $("settings");
  const form = $("settings-form");
  const { language, voice, speed, policy, interruptions, greeting } = form.elements;

  const showSpeed = () => { $("speed-shown").value = `${Number(speed.value).toFixed(1)}×`; };

  function fill(settings) {
    language.value = settings.language;
    voice.value = settings.voice;
    speed.value = settings.speed;
    policy.value = settings.policy;
    interruptions.checked = settings.interruptions;
    greeting.value = settings.greeting;
    showSpeed();
  }

  function keep() {
    chosen = {
      language: language.value.trim().toLowerCase(),
      voice: voice.value.trim(),
      speed: Number(speed.value),
      policy: policy.value,
      interruptions: interruptions.checked,
      greeting: greeting.value.trim(),
    };
    try {
      localStorage.setItem(KEY, JSON.stringify(chosen));
    } catch {
      // A browser that stores nothing still uses them until the page is closed.
    }
    onChange();
  }

  speed.oninput = showSpeed;
  form.onsubmit = keep; // the form's method closes the dialog
  $("settings-close").onclick = () => dialog.close();
  $("settings-defaults").onclick = () => fill(DEFAULTS);
  $("settings-open").onclick = () => {
    fill(chosen);
    dialog.showModal();
  };

  return { get chosen() { return { ...chosen }; } };
}
