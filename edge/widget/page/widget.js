// What a page loads: it makes <voicebus-widget> known. With a site in its own address, such as
// widget.js?site=shop, it puts a widget on the page as well; what else stands there is attributes.

import { VoicebusWidget } from "./element.js";

const NAME = "voicebus-widget";

if (!customElements.get(NAME)) customElements.define(NAME, VoicebusWidget);

const asked = new URL(import.meta.url).searchParams;
if (asked.has("site")) {
  const widget = document.createElement(NAME);
  for (const [name, value] of asked) widget.setAttribute(name, value);
  document.body.append(widget);
}
