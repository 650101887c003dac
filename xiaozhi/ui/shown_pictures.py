"""The pictures of a question or an answer, small; each opens larger.

Their bytes travel to a browser once: Streamlit serves them under an address of their content.
"""

from urllib.parse import quote

import streamlit as st

from xiaozhi.ui.markdown import for_streamlit
from xiaozhi.ui.pictures import NotAPicture, TooLarge, for_page
from xiaozhi.ui.question import Picture, Question
from xiaozhi.ui.texts import _

KEPT = 100  # pictures that stay ready to be shown
_IN_ADDRESS = ":/?#[]@!$&+,;=%~"


def show(key: str, said: Question) -> None:
    """Nothing where there are none. `key`: of the place."""
    if not said.pictures and not said.links:
        return
    with st.container(key=f"pics_{key}", horizontal=True, gap="xsmall"):
        count = len(said.pictures)
        for number, picture in enumerate(said.pictures, 1):
            _show(picture, alt(number, count))
        for link in said.links:
            _show_link(link)


def alt(number: int, count: int) -> str:
    """What stands for a picture where it is not seen. `number`: from 1 on."""
    if count == 1:
        return _("A picture")
    return _("Picture {number} of {count}", number=number, count=count)


def _show(picture: Picture, words: str) -> None:
    shown = _ready(picture.digest, picture)
    if shown is None:
        st.caption(_("A picture that cannot be shown"), width="content")
        return
    kind = "PNG" if shown.mime == "image/png" else "JPEG"
    st.image(shown.content, output_format=kind, alt=words)


def _show_link(link: str) -> None:
    if not link.startswith(("https://", "http://")):
        st.caption(_("A picture that cannot be shown"), width="content")
        return
    # As a model's: a link, so that nothing is fetched unasked.
    st.markdown(for_streamlit(f"![{_('A picture')}]({quote(link, _IN_ADDRESS)})"), width="content")


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _ready(content: str, _picture: Picture) -> Picture | None:
    """None where it is none. `content`: what its bytes are known by."""
    try:
        return for_page(_picture)
    except (NotAPicture, TooLarge):
        return None
