// The sidebar, where Streamlit leaves it to the person: on a phone the drawer closes behind a
// choice, and a name that is to be changed can be typed over at once.
"use strict";
(() => {
  const NARROW = 768; // px up to which the sidebar lies over the page
  const CHOICE = '[class*="st-key-rowopen_"] button, .st-key-new button, [class*="st-key-nav_"] button';

  document.addEventListener("click", (event) => {
    if (window.innerWidth > NARROW || !event.target.closest(CHOICE)) return;
    // Behind the click itself, which Streamlit has to see first.
    setTimeout(() => {
      document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
    });
  });

  let naming = null;
  new MutationObserver(() => {
    const found = document.querySelector(".st-key-naming input");
    if (found === naming) return;
    naming = found;
    // Where the menu has closed, it gives the focus back to its button: later than that.
    setTimeout(() => (found?.focus(), found?.select()), 50);
  }).observe(document.body, { childList: true, subtree: true });
})();
