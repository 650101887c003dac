"""Who makes sure that a run goes on, and is heard: a seam with one implementation a file."""

from xiaozhi.dispatch.dispatcher import AT_ONCE, Dispatcher
from xiaozhi.dispatch.in_process import InProcess
from xiaozhi.dispatch.places import Places

__all__ = ["AT_ONCE", "Dispatcher", "InProcess", "Places"]
