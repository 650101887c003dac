// Keeps the end of a conversation in view while it grows. Whoever scrolls up is left in peace, and
// gets a button back to the end. Streamlit does this for pages whose composer it places itself.
"use strict";
(() => {
  const NEAR = 80; // px from the end that still count as being there
  const BY_HAND = 1_000; // ms behind a gesture in which the page is scrolled by it
  const KEYS = ["ArrowUp", "PageUp", "Home", " ", "Tab"];
  const CARRIED = document.getElementById("our-words"); // script_words.py; none in English
  const SAID = CARRIED ? JSON.parse(CARRIED.textContent) : {};
  const WORDS = SAID["Jump to the end"] ?? "Jump to the end";

  let main = null; // what scrolls
  let talk = null; // the conversation in it, if there is one
  let name = null; // which one that is, as the address says
  let following = true;
  let watched = new WeakSet();
  let last = { top: 0, height: 0 };
  let touched = -Infinity; // when there was the last gesture

  const button = document.createElement("button");
  button.id = "to-end";
  button.type = "button";
  button.title = WORDS;
  button.setAttribute("aria-label", WORDS);
  button.textContent = "↓";
  button.hidden = true;
  button.addEventListener("click", () => follow());
  document.body.append(button);

  const grown = new ResizeObserver(() => {
    if (following && talk) main.scrollTop = main.scrollHeight;
    last = { top: main.scrollTop, height: main.scrollHeight };
    offer();
  });

  function follow() {
    following = true;
    if (talk) main.scrollTop = main.scrollHeight;
    offer();
  }

  function isAtEnd() {
    return main.scrollHeight - main.scrollTop - main.clientHeight < NEAR;
  }

  function scrolled() {
    const { top, height } = last;
    last = { top: main.scrollTop, height: main.scrollHeight };
    if (isAtEnd()) following = true;
    // A page that has become shorter was not scrolled by anybody; nor was one that the browser
    // itself has moved, to keep in place what grows while a long conversation is drawn.
    else if (last.top < top && last.height >= height && isByHand()) following = false;
    offer();
  }

  function isByHand() {
    return performance.now() - touched < BY_HAND;
  }

  function offer() {
    button.hidden = !talk || isAtEnd();
    if (button.hidden) return;
    // It stands outside of the page's own theme.
    const { backgroundColor, color } = getComputedStyle(document.querySelector(".stApp"));
    Object.assign(button.style, { backgroundColor, color });
    const column = talk.getBoundingClientRect();
    const composer = document.querySelector('[data-testid="stBottomBlockContainer"]');
    const below = composer ? window.innerHeight - composer.getBoundingClientRect().top : 0;
    button.style.left = `${column.right - 40}px`;
    button.style.bottom = `${below + 12}px`;
  }

  function look() {
    const found = document.querySelector('[data-testid="stMain"]');
    if (found && found !== main) {
      main = found;
      main.addEventListener("scroll", scrolled, { passive: true });
      grown.disconnect();
      watched = new WeakSet();
    }
    // The messages, and the composer below them; observed twice, each would be measured anew.
    for (const part of main?.children ?? []) {
      if (watched.has(part)) continue;
      watched.add(part);
      grown.observe(part);
    }
    const thread = document.querySelector(".st-key-thread");
    if (main && thread !== talk) {
      talk = thread;
      const now = new URLSearchParams(location.search).get("c");
      if (name !== now) follow();
      name = now;
      offer();
    }
  }

  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  for (const gesture of ["wheel", "touchmove", "mousedown", "keydown"]) {
    const note = (event) => {
      const isOne = gesture === "keydown" ? KEYS.includes(event.key) : event.target !== button;
      if (isOne) touched = performance.now();
    };
    document.addEventListener(gesture, note, { capture: true, passive: true });
  }
  // Whoever sends something wants to see what comes of it.
  document.addEventListener("keydown", (event) => {
    const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (main && sends && event.target.closest('[data-testid="stChatInput"]')) follow();
  });
  document.addEventListener("click", (event) => {
    if (main && event.target.closest('[data-testid="stChatInputSubmitButton"]')) follow();
  });
  window.addEventListener("resize", () => main && offer());
})();
