// <voicebus-widget>: docs/reference/widget.md has its attributes, methods and events.

import { createPhone } from "../browser/phone.js";
import { EVENTS, FLOOR } from "./events.js";
import { createStore, dial, fetchAll, fetchSite, textsOf } from "./site.js";
import { createView } from "./view.js";
import { errorText, wordsOf } from "./words.js";

const LONGEST_PAUSE_MS = 60000;
export class VoicebusWidget extends HTMLElement {
  static observedAttributes = ["site", "language", "placement"];
  static #talking = null; // one microphone at a time: another widget would hear the first one

  #root = this.attachShadow({ mode: "open" });
  #site = null;
  #texts = null;
  #view = null;
  #phone = null;
  #consent = null;
  #state = "";
  #isExplained = false; // the server has said why the session ends
  #memory = null; // of the conversation
  #code = ""; // with which the next session joins another one
  #showCode = null;
  #loading = 0; // counts: only the last one counts

  connectedCallback() {
    if (!this.#phone) this.#load(1000);
  }

  disconnectedCallback() {
    // An element that is only moved is connected again at once.
    queueMicrotask(() => { if (!this.isConnected) this.#end(); });
  }

  attributeChangedCallback(_name, before, after) {
    if (!this.isConnected || before === after || !this.#loading) return;
    this.#end();
    this.#load(1000);
  }

  // ---------------------------------------------------------------- for the page

  open() {
    if (!this.#view || this.#view.isOpen) return;
    this.#view.open();
    this.#tell("open");
  }

  close() {
    if (!this.#view?.isOpen || this.#isInline) return;
    this.stop();
    this.#view.close();
    this.#tell("close");
  }

  // Speak to it. Browsers ask for a gesture of the person first; consent is asked for here.
  async talk() {
    if (!this.#phone || !this.#canSpeak) return;
    this.open();
    const { consent } = this.#texts;
    if (consent && this.#consent.value !== consent) {
      this.#view.askConsent();
      return;
    }
    if (this.microphone !== "off") return;
    const other = VoicebusWidget.#talking;
    if (other !== this) other?.stop();
    VoicebusWidget.#talking = this;
    await this.#phone.startMicrophone();
  }

  stop() {
    this.#phone?.stopMicrophone();
  }

  // A typed turn. Is refused when there is no connection to be had.
  async say(text) {
    if (!this.#phone) throw new DOMException("the widget is not ready", "InvalidStateError");
    await this.#phone.say({ type: "text", text });
  }

  mute(isMuted = true) {
    if (this.#phone?.state.microphone === "on") this.#phone.mute(isMuted);
  }

  cancel() {
    this.#phone?.conversation.cancel();
  }

  hangUp() {
    this.stop();
    this.#phone?.leave();
  }

  // Delete the conversation, wherever else it goes on as well. Its sessions end.
  async forget() {
    if (!this.#memory?.value) return;
    this.cancel();
    await this.#phone.say({ type: "forget" });
  }

  agree() {
    if (this.#consent) this.#consent.value = this.#texts.consent;
  }

  get isOpen() { return Boolean(this.#view?.isOpen); }
  get isReady() { return Boolean(this.#phone); }
  get isMuted() { return Boolean(this.#phone?.state.isMuted); }
  get state() { return this.#phone?.state.connection ?? "idle"; }
  get floor() { return this.#phone?.floor ?? "off"; }
  get microphone() { return this.#phone?.state.microphone ?? "off"; }
  get sessionId() { return this.#phone?.conversation.known.sessionId ?? ""; }
  get turns() { return structuredClone([...(this.#phone?.conversation.known.turns.values() ?? [])]); }

  // ---------------------------------------------------------------- inside

  get #isInline() { return this.getAttribute("placement") === "inline"; }
  get #canSpeak() { return (this.getAttribute("mode") ?? this.#site.mode) !== "text" && this.#site.mode !== "text"; }

  #tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  async #load(pauseMs) {
    this.#loading += 1;
    const ours = this.#loading;
    const { site, sheets, error } = await fetchAll(this);
    if (ours !== this.#loading) return;
    if (site) {
      this.#begin(site, sheets);
      return;
    }
    // A page is better off without a widget than with one that does not work.
    this.#tell("error", error);
    if (error.code !== "unreachable") {
      console.error(`voicebus-widget: ${error.code}`, error.message ?? ""); // it may come before listeners do
      return;
    }
    setTimeout(() => { if (ours === this.#loading) this.#load(Math.min(2 * pauseMs, LONGEST_PAUSE_MS)); }, pauseMs);
  }

  #begin(site, sheets) {
    const key = this.getAttribute("site");
    const texts = textsOf(this, site);
    [this.#site, this.#texts] = [site, texts];
    this.#consent = createStore("localStorage", `consent.${key}`);
    this.#memory = createStore("sessionStorage", `conversation.${key}.${this.id}`);
    const view = createView({
      root: this.#root,
      sheets,
      texts,
      language: site.language,
      isInline: this.#isInline,
      canLink: site.conversations,
      on: this.#gestures(),
    });
    const phone = createPhone({
      dial: () => dial(key),
      fields: () => this.#fields(),
      words: wordsOf(texts),
      take: (message) => this.#take(message),
      show: {
        turn: view.showTurn,
        reply: view.showReply,
        pending: () => view.showPending(phone.conversation.known),
        floor: () => this.#show(),
        connection: () => { if (phone.state.connection === "ready") view.problem(""); },
        begun: () => {
          this.#isExplained = false;
          view.problem("");
        },
        ended: (how) => this.#ended(how),
        level: view.showLevel,
        problem: view.problem,
        announce: view.announce,
        code: (made) => this.#showCode?.(made.code),
      },
    });
    [this.#view, this.#phone] = [view, phone];
    this.#show();
    this.#tell("load");
    if (this.hasAttribute("opened")) this.open();
  }

  #fields() {
    const language = (this.getAttribute("language") ?? "").toLowerCase();
    if (!this.#site.conversations) return { language };
    return this.#code ? { language, link_code: this.#code } : { language, conversation: this.#memory.value || "new" };
  }

  #take(message) {
    const { type, code, reason } = message;
    if (message.conversation_id) {
      this.#memory.value = message.conversation_id;
      this.#code = "";
    }
    if (type === "error" && !message.turn) {
      this.#isExplained = true;
      this.#code = "";
      if (code === "conversation_unknown") this.#memory.value = "";
    }
    if (type === "hang_up" && reason === "forgotten") {
      this.#memory.value = "";
      this.#view.clear();
    }
    const event = EVENTS[type]?.(message);
    if (event) this.#tell(...event);
  }

  // Get a code for another device, or bring one from there.
  async #link() {
    if (this.#showCode) return;
    this.#showCode = () => {};
    const view = this.#view;
    const loaded = await import("./link.js").catch(() => view.problem(this.#texts.unreachable));
    if (view !== this.#view) return; // it has been taken away meanwhile
    this.#showCode = loaded?.createLink({
      panel: this.#view.panel,
      texts: this.#texts,
      ask: () => this.#phone.say({ type: "link" }),
      join: (code) => {
        this.#code = code;
        this.stop();
        this.#phone.reconnect().catch(() => {}); // the reason is shown already
      },
      forget: () => this.forget().catch(() => {}),
      close: () => {
        this.#showCode = null;
        this.#view.input.focus();
      },
    });
  }

  #gestures() {
    return {
      link: () => this.#link(),
      launch: () => (this.isOpen ? this.close() : this.open()),
      close: () => this.close(),
      talk: () => (this.microphone === "off" ? this.talk() : this.stop()),
      mute: () => this.mute(!this.isMuted),
      cancel: () => this.cancel(),
      dismiss: () => this.#view.problem(""),
      send: (text) => this.say(text),
      agree: () => {
        this.agree();
        this.#view.closeConsent();
        this.#tell("consent", { given: true });
        this.#view.input.focus({ preventScroll: true });
        this.talk();
      },
      disagree: () => {
        this.#view.closeConsent();
        this.#tell("consent", { given: false });
        this.#view.input.focus();
      },
      key: (event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        if (this.#phone.conversation.isRunning) this.cancel();
        else this.close();
      },
    };
  }

  // How a session ended. A page is not told why a connection was refused, so it asks.
  async #ended({ hangUp, wasOpen }) {
    if (wasOpen || hangUp) {
      if (!this.#isExplained) this.#view.problem(hangUp || this.#texts.lost);
      return;
    }
    const { error } = await fetchSite(this, "no-store");
    const told = error ?? { code: "unreachable", message: "" };
    this.#tell("error", told);
    this.#view?.problem(told.code === "unreachable" ? this.#texts.unreachable : errorText(this.#texts, told));
  }

  #show() {
    const { state: { connection, microphone, isMuted }, conversation, floor } = this.#phone;
    const isWaiting = connection === "connecting" || connection === "connected";
    const name = connection === "away" ? "away" : isWaiting && floor === "off" ? "connecting" : FLOOR[floor] ?? floor;
    const text = this.#texts[name] ?? "";
    const { isRunning } = conversation;
    this.#view.showControls({ floor, text, microphone, isMuted, isRunning, canSpeak: this.#canSpeak });
    const now = `${connection} ${floor} ${microphone} ${isMuted}`;
    if (now === this.#state) return;
    this.#state = now;
    this.#tell("statechange", { state: connection, floor, microphone, isMuted });
  }

  #end() {
    this.#loading += 1;
    if (!this.#phone) return;
    this.stop();
    if (this.state !== "idle") this.#phone.leave();
    this.#phone.player.close();
    this.#root.replaceChildren();
    [this.#phone, this.#view, this.#showCode] = [null, null, null];
  }
}
