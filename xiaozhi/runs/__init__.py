"""The engine: how an assistant answers a thread."""

from xiaozhi.runs.runs import Runs

__all__ = ["Runs"]
