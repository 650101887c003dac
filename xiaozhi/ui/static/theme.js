// Light or dark, before anything is painted. Streamlit keeps its choice under a key of its own.
"use strict";
(() => {
  const chosen = /(?:^|; )zero_theme=(light|dark)(?:;|$)/.exec(document.cookie)?.[1];
  const name = { light: "Light", dark: "Dark" }[chosen] ?? "System";
  try {
    localStorage.setItem(`stActiveTheme-${location.pathname}-v2`, JSON.stringify(name));
  } catch (error) {
    // A browser that keeps nothing shows the system's.
    console.info(error);
  }
})();
