"""The end of each fragment's run reaches the browser.

Streamlit 1.67 clears what it has not yet sent when the next fragment's run begins, and calls the
run before it cut short. Then the browser keeps what that run did not draw again: rows that a
search has ruled out, a question that was taken back. Behind an answer that grows a next run begins
at once, so this is the rule and not the exception.
"""

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


def keep() -> None:
    """For the whole process."""
    clear = ForwardMsgQueue.clear

    def cleared(
        self: ForwardMsgQueue,
        retain_lifecycle_msgs: bool = False,
        fragment_ids_this_run: list[str] | None = None,
    ) -> None:
        if fragment_ids_this_run is None:
            clear(self, retain_lifecycle_msgs)
        else:
            # All of it is sent, in its order; nothing of two runs is put together.
            self._delta_index_map = {}  # pyright: ignore[reportPrivateUsage]

    ForwardMsgQueue.clear = cleared
