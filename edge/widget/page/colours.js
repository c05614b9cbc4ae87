// The colours that a site or a page has chosen, as a sheet of the shadow root.

const COLOUR = /^#[0-9a-f]{6}$/i;
const ACCENT = "#0b6b63";
const ACCENT_DARK = "#5cc8bb";

// Black or white, whichever is read better on a colour.
// Source: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const part = parseInt(colour.slice(start, start + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

const rule = (colour) => `--accent:var(--voicebus-accent,${colour});--on-accent:var(--voicebus-on-accent,${inkOn(colour)})`;

// accents: of the light and of the dark, as #rrggbb; what is anything else is left out.
export function colourSheet(...accents) {
  const [light, dark] = accents.map((colour) => (COLOUR.test(colour) ? colour : ""));
  const inDark = rule(dark || light || ACCENT_DARK);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`:host{${rule(light || ACCENT)}}
@media (prefers-color-scheme:dark){:host(:not([theme=light])){${inDark}}}
:host([theme=dark]){${inDark}}`);
  return sheet;
}
