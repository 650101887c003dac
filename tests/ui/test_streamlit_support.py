"""Streamlit's inner parts that the page relies on work, and where one does not it is said."""

import subprocess
import sys
from pathlib import Path

from streamlit.logger import get_logger
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests

from xiaozhi.ui.streamlit_support import fragment_ends, loggers, self_check


def test_a_run_that_has_ended_is_not_called_cut_short():
    fragment_ends.keep()
    queue = ForwardMsgQueue()
    drawn, ended = ForwardMsg(), ForwardMsg()
    drawn.delta.fragment_id = "list"
    drawn.metadata.delta_path.append(0)
    ended.script_finished = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
    for message in (drawn, ended):
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["answer"])
    again = ForwardMsg()
    again.CopyFrom(drawn)
    queue.enqueue(again)
    told = queue.flush()
    assert told == [drawn, ended, again]
    assert told[1].script_finished == ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


def test_a_run_of_the_whole_page_still_clears_what_it_draws_anew():
    fragment_ends.keep()
    queue = ForwardMsgQueue()
    drawn = ForwardMsg()
    drawn.delta.fragment_id = "list"
    drawn.metadata.delta_path.append(0)
    queue.enqueue(drawn)
    queue.clear(retain_lifecycle_msgs=True)
    assert queue.is_empty()


def test_all_that_is_relied_on_is_there():
    """Also what the browser loads, of whatever version is installed."""
    fragment_ends.keep()
    assert list(self_check.broken_parts()) == []
    assert self_check.report() == []
    assert self_check.missing_in_browser(self_check.BROWSER) == []
    assert len(self_check.relied_on()) > 30


def test_ends_of_fragments_that_are_cleared_are_noticed():
    class Clears(ForwardMsgQueue):
        def clear(
            self,
            retain_lifecycle_msgs: bool = False,
            fragment_ids_this_run: list[str] | None = None,
        ) -> None:
            self._queue = []

    class TakesNoFragments(ForwardMsgQueue):
        def clear(self) -> None:  # type: ignore[override]  # as a later version may have it
            self._queue = []

    assert not self_check.sends_ends_of_fragments(Clears)
    assert not self_check.sends_ends_of_fragments(TakesNoFragments)


def test_clicks_that_cannot_be_told_are_noticed():
    class Renamed(ScriptRequests):
        """Keeps what is asked for under another name."""

        def request_rerun(self, new_data: RerunData) -> bool:
            is_taken = super().request_rerun(new_data)
            vars(self)["_data"] = vars(self).pop("_rerun_data")
            return is_taken

    assert self_check.tells_of_pending_reruns(ScriptRequests)
    assert not self_check.tells_of_pending_reruns(Renamed)


def test_settings_that_are_gone_are_noticed():
    assert self_check.unknown_options(["runner.postScriptGC", "runner.gone"]) == ["runner.gone"]


def test_the_check_does_not_read_the_settings_too_early():
    """Streamlit reads them once: without ours it would tell its makers who uses it."""
    code = (
        "from streamlit import config\n"
        "from xiaozhi.ui.page import create_page\n"
        "create_page('http://127.0.0.1:1/v1', 'any', None)\n"
        "assert config._config_options is None, 'they have been read'\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr[-2_000:]


def test_what_the_browser_does_not_have_is_noticed(tmp_path: Path):
    (tmp_path / "index.html").write_text("<html><head></head></html>")
    (tmp_path / "some.js").write_text("const name = 'stChatInput'; const say = 'Clear entry';")
    missing = self_check.missing_in_browser(tmp_path)
    assert 'the HTML page has no <html lang="en"> (shell.py).' in missing
    assert "light and dark follow the choice only after a reload (theme.js)." in missing
    assert "nothing is called stSidebar any more (static/)." in missing
    assert not any("stChatInput " in sentence or "Clear entry" in sentence for sentence in missing)


def test_a_logger_that_streamlit_makes_has_no_handler_of_its_own():
    loggers.pass_on()
    made = get_logger("streamlit.made_for_a_test")
    assert made.handlers == []
    assert made.propagate
