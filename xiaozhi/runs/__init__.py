"""The engine: how an assistant answers a thread."""

from xiaozhi.runs.admission import Admission
from xiaozhi.runs.runs import Runs
from xiaozhi.runs.stop import Stop
from xiaozhi.runs.thoughts import REASONING, with_reasoning

__all__ = ["REASONING", "Admission", "Runs", "Stop", "with_reasoning"]
