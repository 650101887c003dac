"""An answer that grows on the page, while everything else on it can be used.

It looks for a while, then lets the page's buttons and its composer have their turn, then looks
again: what a widget does is drawn between two looks.
"""

import time

import streamlit as st

from xiaozhi.ui import transcript
from xiaozhi.ui.follow import Followed, let_go
from xiaozhi.ui.texts import _

FIRST_LOOK = 1.5  # s that a page waits for the first words before it lets go of its turn
LOOK = 0.5  # s that one turn of looking at a growing answer takes, at most
TICK = 0.08  # s between two updates of the page


def show(answer: Followed) -> None:
    first = [True]

    @st.fragment(run_every=0.1)
    def live() -> None:
        # The first look waits for the first words; the others let go of the page after a while,
        # so that its buttons and its composer get their turn.
        is_first = bool(first) and first.pop()
        until = time.monotonic() + (FIRST_LOOK if is_first else LOOK)
        place = transcript.Growing(answer.run.id)
        while True:
            text, ended = answer.text, answer.ended
            place.show(text)
            if answer.lost is not None:
                _show_lost(answer)
                return
            if ended:
                # Drawn anew from what the server keeps, with everything that belongs to it
                st.rerun()
            if time.monotonic() > until or (is_first and text):
                return
            drawn = time.monotonic()
            answer.wait(len(text), TICK)
            if not is_first:
                time.sleep(max(0.0, drawn + TICK - time.monotonic()))

    live()


def _show_lost(answer: Followed) -> None:
    words = _("The connection to the answer was lost; it may well go on.")
    st.error(words, icon=":material/cloud_off:")
    st.button(_("Try again"), key="follow_again", on_click=let_go, args=(answer.run,))
