"""The data folder is closed to other users, and a folder of somebody else stays as it is."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from xiaozhi import data_folder
from xiaozhi.errors import CannotStart


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_one_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = tmp_path / "deep" / "data"
    data_folder.prepare(folder)
    assert mode(folder) == 0o700
    key = data_folder.api_key(folder)
    assert mode(folder / "api-key") == 0o600
    assert data_folder.api_key(folder) == key
    assert caplog.messages == []


def test_a_wide_one_is_narrowed_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folder = tmp_path / "data"
    (folder / "models" / "deep").mkdir(parents=True)
    model = folder / "models" / "deep" / "x.gguf"
    for path in (folder / "api-key", folder / "xiaozhi-backup.db", model, folder / ".bashrc"):
        path.write_text("key")
    for path in (folder, folder / "models", model.parent):
        path.chmod(0o755)
    with caplog.at_level(logging.WARNING):
        data_folder.prepare(folder)
    assert (mode(folder), mode(model.parent), mode(model)) == (0o700, 0o700, 0o600)
    assert mode(folder / "api-key") == 0o600
    assert f"other users could use {folder} (mode 755): it is 700 now" in caplog.messages
    caplog.clear()
    data_folder.prepare(folder)
    assert caplog.messages == []


def test_a_folder_with_other_things_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    home = tmp_path / "home"
    (home / "Documents").mkdir(parents=True)
    (home / "models").mkdir()
    (home / "api-key").write_text("key")
    for path in (home, home / "models"):
        path.chmod(0o755)
    with caplog.at_level(logging.WARNING):
        data_folder.prepare(home)
    assert (mode(home), mode(home / "models"), mode(home / "Documents")) == (0o755, 0o755, 0o777)
    assert mode(home / "api-key") == 0o600
    assert any("holds other things too" in message for message in caplog.messages)


def test_a_shared_folder_stays_as_it_is(tmp_path: Path):
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    data_folder.prepare(shared)
    assert shared.stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize("folder", ["/", "/tmp", "/var/lib", "/mnt"])
def test_a_folder_of_the_system_stays_as_it_is(folder: str):
    if not os.path.isdir(folder):
        pytest.skip("it is not there")
    before = os.stat(folder).st_mode
    data_folder.prepare(Path(folder))
    assert os.stat(folder).st_mode == before


def test_nothing_behind_a_link_is_changed(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.gguf").write_text("")
    (elsewhere / "key").write_text("key")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "models").symlink_to(elsewhere)
    (folder / "api-key").symlink_to(elsewhere / "key")
    data_folder.prepare(folder)
    assert mode(folder) == 0o700
    assert [mode(path) for path in (elsewhere, elsewhere / "x.gguf", elsewhere / "key")] == [
        0o777,
        0o666,
        0o666,
    ]
    assert data_folder.api_key(folder) == "key"


def test_special_bits_stay(tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o2770)
    data_folder.prepare(folder)
    assert folder.stat().st_mode & 0o7777 == 0o2700


@pytest.mark.parametrize(
    ("content", "key"),
    [(b"xz-1", "xz-1"), (b"xz-1\r\n", "xz-1"), (b"\xef\xbb\xbfxz-1\n\n", "xz-1")],
)
def test_a_key_is_read_as_editors_write_it(tmp_path: Path, content: bytes, key: str):
    (tmp_path / "api-key").write_bytes(content)
    assert data_folder.api_key(tmp_path) == key


@pytest.mark.parametrize(
    "content", [b"", b" \r\n", b"\xff\x00\x80", "密钥".encode(), b"one\ntwo", b"x" * 5000]
)
def test_what_is_no_key_is_said_in_a_sentence(tmp_path: Path, content: bytes):
    (tmp_path / "api-key").write_bytes(content)
    with pytest.raises(CannotStart, match="Delete it, and a new key is made at the next start"):
        data_folder.api_key(tmp_path)
    assert (tmp_path / "api-key").read_bytes() == content


def test_what_is_no_folder_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / "api-key").mkdir()
    for folder in (
        tmp_path / "file",
        tmp_path / "file" / "below",
        Path("/proc/xiaozhi"),
        Path("/etc/passwd"),
        tmp_path / "a\0b",
        tmp_path / ("long" * 100),
    ):
        with pytest.raises(CannotStart, match=r"The data folder .* cannot be used: .*--data"):
            data_folder.prepare(folder)
    with pytest.raises(CannotStart, match="cannot be used: Is a directory"):
        data_folder.api_key(tmp_path / "key")
