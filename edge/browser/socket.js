// One session at a time, over one connection or several: JSON messages and audio frames, both ways.
// docs/reference/websocket.md has the protocol; "Coming back" is what happens here.

import { createHas } from "./has.js";
import { createRing } from "./ring.js";

const FINAL = [1000, 1008, 1009, 1013, 4001]; // a server that closes with these means it
const WATCH_MS = 500;
const DEAD_MS = 2000; // a server that is spoken to and says nothing cannot be reached
const LATELY_MS = 60000; // or its path is slow: lost again as soon, it has twice the time
const ANSWER_MS = 5000;
const [SHORTEST_PAUSE_MS, LONGEST_PAUSE_MS] = [100, 3000];
const PAUSE_PART = 0.25; // of the time without a server: so little is added to it

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// A session holds workers, so a connection is opened when there is something to say and not when
// the page loads. dial() makes a WebSocket, hello() the first messages; closed() is told how the
// session ended, and away() that it has no connection, or has one again.
export function createSocket({ dial, hello, receive, closed, away }) {
  let socket = null;
  let watching = 0;
  let connecting = null;
  let leaveOpening = null;
  let session = null; // what has to be known to come back
  let ring = createRing();
  let received = 0; // number of the last frame of the server
  let confirmed = 0;
  let unansweredAt = null;
  let deadMs = DEAD_MS;
  let lostAt = -Infinity;
  let has = createHas(); // of the conversation, for a server that has to be told
  let begun = null; // the first message
  let at = {}; // where the server was in what we sent, in its own words

  const isOpen = () => socket?.readyState === WebSocket.OPEN;

  function send(frame) {
    if (!isOpen() && !session) return; // one that closes without a goodbye comes back
    ring.push(frame);
    if (!isOpen()) return; // it is sent when there is a connection again
    unansweredAt ??= performance.now();
    socket.send(frame);
  }
  const tell = (message) => send(JSON.stringify(message));

  function take({ data }) {
    unansweredAt = null;
    if (data instanceof ArrayBuffer) {
      received += 1;
      has.takeAudio(data.byteLength);
      receive(data);
      return;
    }
    const message = JSON.parse(data);
    received = message.seq ?? received;
    if (message.resume_token) {
      const { session_id: id, resume_token: token, resume_s: seconds } = message;
      session = { id, token, seconds, attempts: 0, isAway: false };
    }
    if (message.type === "going_away") return;
    has.take(message);
    if (message.type === "ack") {
      ring.acknowledge(message.frames);
      at = message.at ?? {};
    } else receive(message);
  }

  function make() {
    const made = dial();
    made.binaryType = "arraybuffer";
    return made;
  }

  function drop(dropped) {
    dropped.onopen = dropped.onmessage = dropped.onclose = null;
    dropped.close(4000); // no goodbye: the session goes on over another one
  }

  function use(used) {
    socket = used;
    watching ||= setInterval(watch, WATCH_MS);
    used.onmessage = take;
    used.onclose = ({ code, reason }) => {
      socket = null;
      if (session && !FINAL.includes(code)) comeBack(session);
      else end({ wasOpen: true, reason });
    };
  }

  function rest() {
    session = null;
    clearInterval(watching);
    watching = 0;
  }

  function end(how) {
    rest();
    closed(how);
  }

  const lost = () => new DOMException("", "ConnectionLost");

  function open() {
    const made = make();
    return new Promise((resolve, reject) => {
      const settled = () => { leaveOpening = connecting = null; };
      leaveOpening = () => {
        drop(made);
        settled();
        reject(lost());
      };
      made.onopen = () => {
        settled();
        [ring, received, confirmed, unansweredAt] = [createRing(), 0, 0, null];
        [has, at] = [createHas(), {}];
        use(made);
        const [start, ...others] = hello();
        begun = { ...start, resume: true };
        made.send(JSON.stringify(begun));
        others.forEach(tell);
        resolve();
      };
      made.onclose = ({ reason }) => {
        settled();
        reject(lost());
        end({ wasOpen: false, reason });
      };
    });
  }

  // One try: the server's answer, or null when there was none.
  function ask(asked) {
    return new Promise((resolve) => {
      const asking = make();
      asked.attempts += 1;
      const give = (answer) => {
        clearTimeout(timer);
        if (answer?.type !== "resumed" || session !== asked) drop(asking);
        resolve({ asking, answer });
      };
      const timer = setTimeout(give, ANSWER_MS, null);
      asking.onclose = () => give(null);
      asking.onmessage = ({ data }) => give(JSON.parse(data));
      asking.onopen = () => asking.send(JSON.stringify({
        type: "resume", session_id: asked.id, token: asked.token, received, attempt: asked.attempts,
        start: begun, at, has: has.message(),
      }));
    });
  }

  async function comeBack(left) {
    left.isAway = true;
    away(true);
    const broke = performance.now();
    const since = () => performance.now() - broke;
    const patience = () => Math.min(Math.max(SHORTEST_PAUSE_MS, PAUSE_PART * since()), LONGEST_PAUSE_MS);
    for (let wait = 0; since() < left.seconds * 1000; wait = patience()) {
      await pause(wait * (0.5 + Math.random() / 2)); // not all clients of a server come at once
      if (session !== left) return; // the user has begun anew
      const { asking, answer } = await ask(left);
      if (session !== left) return;
      const frames = answer?.type === "resumed" ? ring.after(answer.frames) : null;
      if (frames) {
        use(asking);
        left.isAway = false;
        if (answer.resume_token) { // it goes on at another server, which counts anew
          [left.id, left.token] = [answer.session_id, answer.resume_token];
          [received, confirmed] = [0, 0];
        }
        unansweredAt = frames.length ? performance.now() : null;
        frames.forEach((frame) => asking.send(frame));
        away(false);
        return;
      }
      if (answer && !answer.retryable) {
        drop(asking);
        end({ wasOpen: true, reason: answer.message ?? "" });
        return;
      }
    }
    end({ wasOpen: true, reason: "The server could not be reached again." });
  }

  function watch() {
    if (!isOpen() || !session) return;
    if (unansweredAt !== null && performance.now() - unansweredAt > deadMs) {
      deadMs = lostAt + LATELY_MS > performance.now() ? 2 * deadMs : DEAD_MS;
      lostAt = performance.now();
      drop(socket);
      socket = null;
      comeBack(session);
    } else if (received > confirmed) {
      confirmed = received;
      tell({ type: "received", seq: received });
    }
  }

  return {
    send: tell,
    sendAudio: send,
    connect() {
      if (isOpen() || session?.isAway) return Promise.resolve();
      connecting ??= open();
      return connecting;
    },
    // The server is told goodbye; nothing that it still says is read.
    leave() {
      rest();
      leaveOpening?.();
      if (!isOpen()) return;
      socket.onmessage = socket.onclose = null;
      socket.close(1000);
      socket = null;
    },
  };
}
