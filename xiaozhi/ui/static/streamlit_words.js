// Puts the catalogue's words (script_words.py) in the place of Streamlit's own English ones: in
// names, hints and tooltips, never in what somebody said.
"use strict";
(() => {
  const carried = document.getElementById("streamlit-words");
  if (!carried) return;
  const ATTRIBUTES = ["aria-label", "title", "placeholder"];
  const NAMED = ATTRIBUTES.map((name) => `[${name}]`).join();
  const SPOKEN = '[data-testid="stTooltipContent"], [data-testid="stSkipToContent"]';

  const whole = new Map();
  const begun = []; // [how it begins, what is said instead around the rest]
  for (const [english, words] of Object.entries(JSON.parse(carried.textContent))) {
    if (english.endsWith("{rest}")) begun.push([english.slice(0, -"{rest}".length), words]);
    else whole.set(english, words);
  }

  function said(text) {
    const words = whole.get(text);
    if (words) return words;
    for (const [start, around] of begun) {
      // As a function: in a file's name `$` means itself.
      if (text.startsWith(start)) return around.replace("{rest}", () => text.slice(start.length));
    }
    return null;
  }

  function name(element) {
    for (const attribute of ATTRIBUTES) {
      const text = element.getAttribute(attribute);
      const words = text && said(text);
      if (words && words !== text) element.setAttribute(attribute, words);
    }
  }

  function speak(root) {
    const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const words = said(texts.currentNode.data);
      if (words) texts.currentNode.data = words;
    }
  }

  function look(root) {
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    if (root.matches(NAMED)) name(root);
    root.querySelectorAll(NAMED).forEach(name);
    const place = root.closest(SPOKEN);
    if (place) speak(place);
    else root.querySelectorAll(SPOKEN).forEach(speak);
  }

  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === "attributes") name(target);
      else addedNodes.forEach(look);
    }
  }).observe(document.documentElement, {
    attributeFilter: ATTRIBUTES,
    attributes: true,
    childList: true,
    subtree: true,
  });
  look(document.documentElement);
})();
