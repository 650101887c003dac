// Keys for what is done often, and a list of them. None counts while an input method is composing.
"use strict";
(() => {
  const CARRIED = document.getElementById("our-words"); // script_words.py; none in English
  const SAID = CARRIED ? JSON.parse(CARRIED.textContent) : {};
  const say = (words) => SAID[words] ?? words;
  const IS_MAC = navigator.platform.startsWith("Mac");
  const META = IS_MAC ? "⌘" : "Ctrl";
  const TITLE = say("Keyboard shortcuts");
  const WORDS = [
    [`${META} + Shift + O`, say("New chat")],
    [`${META} + K`, say("Search conversations")],
    ["/", say("Go to the message field")],
    ["Esc", say("Stop the answer")],
    ["?", say("Show this list")],
  ];

  const OPEN = '[role="dialog"], [role="menu"], [role="listbox"], [data-testid="stPopoverBody"]';

  let help = null;

  function find(selector) {
    return document.querySelector(selector);
  }

  function search() {
    const field = find(".st-key-search input");
    if (!field) return false;
    // On a phone, and where somebody has closed it, the sidebar opens first.
    find('[data-testid="stExpandSidebarButton"]')?.click();
    setTimeout(() => (field.focus(), field.select()), 50);
    return true;
  }

  function compose() {
    const field = find('[data-testid="stChatInput"] textarea');
    field?.focus();
    return Boolean(field);
  }

  function stop() {
    const button = find(".st-key-stop button");
    button?.click();
    return Boolean(button);
  }

  function show() {
    if (!help) help = made();
    // It stands outside of the page's own theme.
    const { backgroundColor, color } = getComputedStyle(find(".stApp"));
    Object.assign(help.style, { backgroundColor, color });
    if (!help.open) help.showModal();
    return true;
  }

  function made() {
    const dialog = element("dialog", { id: "shortcuts" });
    dialog.setAttribute("aria-label", TITLE);
    const close = element("button", { type: "button", textContent: say("Close") });
    close.addEventListener("click", () => dialog.close());
    const list = element("dl", {});
    for (const [keys, words] of WORDS) {
      const pair = element("div", {});
      const term = element("dt", {});
      term.append(element("kbd", { textContent: keys }));
      pair.append(term, element("dd", { textContent: words }));
      list.append(pair);
    }
    dialog.append(element("h2", { textContent: TITLE }), list, close);
    document.body.append(dialog);
    return dialog;
  }

  function element(name, properties) {
    return Object.assign(document.createElement(name), properties);
  }

  function isTyping(target) {
    return target.isContentEditable || target.closest("input, textarea, select");
  }

  function done(event) {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const { key, target } = event;
    // On a Mac, Ctrl+K deletes to the end of the line.
    if ((IS_MAC ? event.metaKey : event.ctrlKey) && !event.shiftKey && !event.altKey) {
      return key.toLowerCase() === "k" && search();
    }
    if (!plain || help?.open) return false;
    if (key === "Escape") {
      // Whatever is open closes with it, and is not the answer.
      const isFree = target === document.body || target.closest('[data-testid="stChatInput"]');
      return isFree && !find(OPEN) && stop();
    }
    if (isTyping(target)) return false;
    if (key === "/") return compose();
    return key === "?" && show();
  }

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    if (!(event.target instanceof Element)) return;
    if (done(event)) event.preventDefault();
  });
})();
