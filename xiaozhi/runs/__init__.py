"""The engine: how an assistant answers a thread."""

from xiaozhi.runs.admission import Admission
from xiaozhi.runs.runs import Runs
from xiaozhi.runs.stop import Stop

__all__ = ["Admission", "Runs", "Stop"]
