"""The data folder: made where it is missing, and closed to other users; and the API's key in it.

A folder that was not made for this server (/tmp, a home with other things in it) is used if
somebody says so, but its mode stays as it is.
"""

import logging
import os
import secrets
import stat
from pathlib import Path

from xiaozhi import private_files
from xiaozhi.errors import CannotStart

KEY = "api-key"
MODELS = "models"
LONGEST_KEY = 4096  # bytes
# Entries that may lie in a folder of our own: the server's files, backups of them, what a service
# manager's HOME collects, what a file system has at its root.
_OURS = ("xiaozhi", KEY, "lost+found", ".")
# Folders of the system (Filesystem Hierarchy Standard 3.0, and macOS): nobody's own, even if empty
_SYSTEM = frozenset(
    (
        "/",
        "/bin",
        "/boot",
        "/dev",
        "/dev/shm",
        "/etc",
        "/home",
        "/lib",
        "/media",
        "/mnt",
        "/opt",
        "/proc",
        "/run",
        "/sbin",
        "/srv",
        "/sys",
        "/tmp",
        "/usr",
        "/usr/local",
        "/var",
        "/var/cache",
        "/var/lib",
        "/var/log",
        "/var/opt",
        "/var/run",
        "/var/tmp",
        "/Applications",
        "/Library",
        "/Users",
        "/Volumes",
        "/private",
    )
)

log = logging.getLogger(__name__)


def prepare(folder: Path) -> None:
    """Raises CannotStart where it cannot be used."""
    try:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(0, "it is a file")
        folder.mkdir(private_files.FOLDER, parents=True, exist_ok=True)
        _close_to_others(folder)
    except (OSError, ValueError) as error:
        raise cannot_be_used(folder, error) from error


def cannot_be_used(folder: Path, error: OSError | ValueError) -> CannotStart:
    """`error`: what the system says, or what is wrong with the name (a NUL in it)."""
    return CannotStart(
        "The data folder {folder} cannot be used: {words}.",
        "Make it writable, or choose another one with --data.",
        folder=folder,
        words=error.strerror or error if isinstance(error, OSError) else error,
    )


def api_key(folder: Path) -> str:
    """The key in the folder, made at the first start. Raises CannotStart."""
    path = folder / KEY
    try:
        if not path.exists():
            # Never half-written: an empty key would lock everybody out.
            new = path.with_suffix(".new")
            flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
            with open(os.open(new, flags, private_files.FILE), "w") as file:
                file.write(f"xz-{secrets.token_urlsafe(32)}")
            new.replace(path)
        with path.open("rb") as file:
            found = file.read(LONGEST_KEY + 1)
    except OSError as error:
        raise cannot_be_used(folder, error) from error
    # An editor may have put a byte order mark before it, and a line end behind it.
    key = found.removeprefix(b"\xef\xbb\xbf").strip()
    if not key:
        raise CannotStart(
            "The key file {path} is empty.",
            "Delete it, and a new key is made at the next start; or write your own key into it.",
            path=path,
        )
    if len(found) > LONGEST_KEY or not key.isascii() or not key.decode("ascii").isprintable():
        raise CannotStart(
            "The key file {path} holds no key: that is one line of letters, digits and signs.",
            "Delete it, and a new key is made at the next start; or write your own key into it.",
            path=path,
        )
    return key.decode("ascii")


def _close_to_others(folder: Path) -> None:
    """Raises OSError."""
    real = folder.resolve()
    private_files.narrow(real / KEY)
    if not _is_ours(real):
        mode = stat.S_IMODE(real.stat().st_mode)
        if os.name != "nt" and mode & 0o077:
            log.warning(
                "the data folder %s holds other things too, so other users may still look into it "
                "(mode %03o); the server's own files are closed to them",
                folder,
                mode,
            )
        return
    private_files.narrow(real)
    for path in _walk(real / MODELS):
        private_files.narrow(path)


def _is_ours(folder: Path) -> bool:
    if str(folder) in _SYSTEM or folder.stat().st_mode & stat.S_ISVTX:
        return False
    return all(entry.name.startswith(_OURS) or entry.name == MODELS for entry in folder.iterdir())


def _walk(folder: Path) -> list[Path]:
    """The folder and everything in it; nothing behind a link."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = [folder]
    for parent, folders, files in os.walk(folder):
        found += [Path(parent, name) for name in (*folders, *files)]
    return found
