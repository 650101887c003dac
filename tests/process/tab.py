"""The page as its browser's tab speaks to it, without a browser: for what only a process shows."""

from collections.abc import Generator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

WITHIN = 30.0  # s, that the page takes to be drawn


@contextmanager
def tab(port: int) -> Generator["Tab"]:
    """On the page's first screen."""
    words = [Subprotocol("streamlit"), Subprotocol("no-token")]
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    with connect(address, subprotocols=words, max_size=None) as connection:
        yield Tab(connection)


class Tab:
    """`shown`: all that the server has sent so far, as text."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._search = ""
        self.shown = ""
        self._draw(ClientState())

    def search(self, words: str) -> None:
        """Types into the field above the list of conversations."""
        assert self._search
        typed = WidgetState(id=self._search, string_value=words)
        self._draw(ClientState(widget_states=WidgetStates(widgets=[typed])))

    def _draw(self, state: ClientState) -> None:
        """Until all is there."""
        self._connection.send(BackMsg(rerun_script=state).SerializeToString())
        while True:
            received = self._connection.recv(WITHIN)
            assert isinstance(received, bytes)
            message = ForwardMsg.FromString(received)
            self.shown += str(message)
            element = message.delta.new_element
            if element.text_input.id.endswith("-search"):
                self._search = element.text_input.id
            if message.HasField("script_finished"):
                return
