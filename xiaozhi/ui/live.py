"""An answer that grows on the page, while everything else on it can be used.

It is followed until somebody uses the page: then it lets go, so that a button or the composer has
its turn, and is followed again behind that. Streamlit by itself lets them wait until the end.
"""

import time
from itertools import count

import streamlit as st

from xiaozhi.ui import thoughts, transcript
from xiaozhi.ui.follow import Followed, let_go
from xiaozhi.ui.streamlit_support.pending_reruns import somebody_waits
from xiaozhi.ui.texts import _

FIRST_LOOK = 1.5  # s that a page waits for the first words before it is whole
LOOK = 10.0  # s that one turn of looking at a growing answer takes, at most
AGAIN = 0.2  # s between two turns
TICK = 0.1  # s between two updates of the page


def show(answer: Followed) -> None:
    looks = count()

    @st.fragment(run_every=AGAIN)
    def live() -> None:
        is_first = next(looks) == 0
        until = time.monotonic() + (FIRST_LOOK if is_first else LOOK)
        thought = thoughts.GrowingThoughts(answer)
        thinks = f":shimmer[{_('Thinking…')}]"
        before = "" if answer.thinking.text else thinks
        place = transcript.Growing(f"a_{answer.run.id}", before=before)
        while True:
            text, ended = answer.text, answer.ended
            thought.show()
            place.show(text)
            if answer.lost is not None:
                _show_lost(answer)
                return
            if ended:
                # Drawn anew from what the server keeps, with everything that belongs to it
                st.rerun()
            if time.monotonic() > until or (is_first and text) or thought.is_outdated:
                return
            if not is_first and somebody_waits():
                return
            if is_first:
                answer.wait(len(text), TICK)
            else:
                time.sleep(TICK)

    live()


def _show_lost(answer: Followed) -> None:
    words = _("The connection to the answer was lost; it may well go on.")
    st.error(words, icon=":material/cloud_off:")
    st.button(_("Try again"), key="follow_again", on_click=let_go, args=(answer.run,))
