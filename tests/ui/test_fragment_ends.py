"""What the browser is told of a fragment's run, where the next one begins at once."""

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from xiaozhi.ui import fragment_ends


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
