"""Files and folders that only their owner may read, whatever the umask."""

import logging
import os
import stat
from pathlib import Path

FILE = 0o600
FOLDER = 0o700
_OTHERS = 0o077

log = logging.getLogger(__name__)


def create(path: Path) -> None:
    """An empty file, where there is none. Raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, FILE))


def narrow(path: Path) -> None:
    """Take away what other users may do with it, and log that. A missing file or a link stays.

    Where this process may not do so (another user's file, a file system without modes), it is
    logged and nothing is raised: the server is no safer if it does not start.
    """
    try:
        found = path.lstat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if os.name == "nt" or stat.S_ISLNK(found.st_mode) or not mode & _OTHERS:
        return
    try:
        path.chmod(mode & ~_OTHERS)
    except OSError as error:
        log.warning(
            "other users may use %s (mode %03o), and that cannot be changed: %s",
            path,
            mode,
            error.strerror,
        )
    else:
        log.warning(
            "other users could use %s (mode %03o): it is %03o now", path, mode, mode & 0o700
        )
