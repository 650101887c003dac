"""Whatever is odd about what the server is started with is understood, or refused in a sentence."""

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.process.processes import command, run, started
from tests.running import KEY
from xiaozhi import settings
from xiaozhi.errors import CannotStart

NOWHERE = ["--model-url", "http://127.0.0.1:9/v1", "--ollama-url", "", "--no-ui", "--port", "0"]
CHINESE = {"LANG": "zh_CN.UTF-8"}


def is_told(refused: subprocess.CompletedProcess[str], *words: str) -> None:
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr + refused.stdout
    for word in words:
        assert word in refused.stderr


# --- the data folder


@pytest.mark.parametrize("key", ["", KEY])
def test_data_that_can_be_no_folder(tmp_path: Path, key: str):
    (tmp_path / "file").write_text("")
    for folder in ("/etc/passwd", str(tmp_path / "file" / "below"), "/proc/xiaozhi"):
        refused = run("--data", folder, *NOWHERE, XIAOZHI_API_KEY=key)
        is_told(refused, f"The data folder {folder} cannot be used: ", "--data")
    assert (tmp_path / "file").read_text() == ""


def test_it_is_told_in_chinese_too(tmp_path: Path):
    is_told(run("--data", "/etc/passwd", *NOWHERE, **CHINESE), "数据文件夹 /etc/passwd")
    (tmp_path / "api-key").write_bytes(b"\xff\xfe")
    is_told(run("--data", str(tmp_path), *NOWHERE, **CHINESE), "密钥文件", "不是密钥")
    is_told(run("--port", "99999", **CHINESE), "设置“port”不对：它最多是 65535。")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\x00\x9f", b"one\ntwo\n"])
def test_a_key_file_without_a_key(tmp_path: Path, content: bytes):
    (tmp_path / "api-key").write_bytes(content)
    is_told(run("--data", str(tmp_path), *NOWHERE), str(tmp_path / "api-key"), "Delete it")


def test_the_folder_and_all_in_it_are_closed_whatever_the_umask(
    tmp_path: Path, model_server: tuple[object, str]
):
    folder = tmp_path / "data"
    before = os.umask(0)
    try:
        with started(
            folder, "--no-ui", "--model-url", model_server[1], XIAOZHI_API_KEY=""
        ) as server:
            modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
            server.stop()
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {"api-key", "xiaozhi.db", "xiaozhi.db-wal", "xiaozhi.db-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_what_was_open_to_others_is_closed_with_a_word(
    tmp_path: Path, model_server: tuple[object, str]
):
    folder = tmp_path / "data"
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(folder, *flags) as server:
        server.stop()
    folder.chmod(0o755)
    (folder / "xiaozhi.db").chmod(0o644)
    with started(folder, *flags) as server:
        server.stop()
    said = "".join(server.said)
    assert f"other users could use {folder} (mode 755): it is 700 now" in said
    assert f"other users could use {folder}/xiaozhi.db (mode 644): it is 600 now" in said


# --- limits of the system


def limited(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("word", ["start", "serve"])
def test_too_few_files_may_be_open(tmp_path: Path, word: str):
    refused = subprocess.run(
        [*command(word), "--data", str(tmp_path), *NOWHERE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=limited(20, 20),
    )
    is_told(refused, "Only 20 files may be open at a time")


# --- settings


def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> settings.Settings:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return settings.load({})


@pytest.mark.parametrize(
    "written", ["sk-1\r\n", " sk-1\n", '"sk-1"', "'sk-1'\r", "\ufeffsk-1", "sk-1\u200b"]
)
def test_a_key_as_files_write_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str):
    chosen = load(tmp_path, monkeypatch, OPENAI_API_KEY=written, XIAOZHI_API_KEY=written)
    assert chosen.openai_api_key
    assert chosen.api_key
    assert chosen.openai_api_key.get_secret_value() == "sk-1"
    assert chosen.api_key.get_secret_value() == "sk-1"


def test_other_values_as_files_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    chosen = load(
        tmp_path,
        monkeypatch,
        XIAOZHI_PORT="8123\r",
        XIAOZHI_HOST='"127.0.0.1"',
        XIAOZHI_MODEL_URL="http://127.0.0.1:9/v1\r\n",
        XIAOZHI_DATABASE="postgresql://u:p@h/d\r\n",
        XIAOZHI_METRICS="open\r",
        XIAOZHI_UI="false\r",
        XIAOZHI_DATA="~/mine\r",
        HOME=str(tmp_path),
    )
    assert (chosen.port, chosen.host, chosen.metrics) == (8123, "127.0.0.1", "open")
    assert chosen.endpoint() == "http://127.0.0.1:9/v1"
    assert chosen.postgres() == "postgresql://u:p@h/d"
    assert (chosen.ui, chosen.data) == (False, tmp_path / "mine")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "sk-secret\nsk-secret"),
        ("OPENAI_API_KEY", "密钥sk-secret"),
        ("XIAOZHI_API_KEY", "xz-secret\nxz-secret"),
        ("OPENAI_BASE_URL", "localhost:11434/secret"),
        ("OPENAI_BASE_URL", "http://user:secret@/v1"),
        ("XIAOZHI_OLLAMA_URL", "http://[::1/secret"),
        ("XIAOZHI_DATABASE", "mysql://user:secret@host/name"),
        ("XIAOZHI_DATABASE", "postgresql://user:secret@host/na\nme"),
        ("XIAOZHI_DATABASE", "sqlite:///:memory:secret"),
        ("XIAOZHI_DATABASE", "sqlite:///~nobody-of-this-name/secret"),
        ("XIAOZHI_DATA", "~nobody-of-this-name/x"),
        ("XIAOZHI_PORT", "9" * 5000),
        ("XIAOZHI_STOP_WITHIN", "nan"),
        ("XIAOZHI_UI", "perhaps"),
        ("XIAOZHI_LOG_LEVEL", "loud"),
    ],
)
def test_what_cannot_be_is_refused_without_repeating_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    with pytest.raises(CannotStart, match=r"The setting '.*' cannot be right: ") as refused:
        load(tmp_path, monkeypatch, **{name: value})
    assert "secret" not in str(refused.value)
    assert "999" not in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00p\x00o",
        b"port = " + b"9" * 5000,
        b"port = " + b"[" * 5000 + b"]" * 5000,
        b"\x00",
        b"port = 1\nport = 2",
        b"[port]\nx = 1",
        b"port = 2020-01-01",
        b"unknown = 1",
        b"data = 7",
        b"host = ['a']",
        b'database = "sqlite:////a\\u0000b"',
    ],
)
def test_an_odd_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes):
    (tmp_path / "xiaozhi.toml").write_bytes(content)
    with pytest.raises(CannotStart):
        load(tmp_path, monkeypatch)


def test_a_file_of_settings_from_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "xiaozhi.toml").write_bytes(b"\xef\xbb\xbfport = 8123\r\nhost = '127.0.0.1'\r\n")
    (tmp_path / ".streamlit").mkdir()
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.write_bytes(b'\xef\xbb\xbfOPENAI_API_KEY = "sk-1 "\r\n')
    chosen = load(tmp_path, monkeypatch)
    assert chosen.port == 8123
    assert chosen.openai_api_key
    assert chosen.openai_api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize("name", ["xiaozhi.toml", ".streamlit/secrets.toml"])
def test_a_folder_in_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(CannotStart, match="cannot be read: Is a directory"):
        load(tmp_path, monkeypatch)


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "no-such-host.invalid", "1.2.3.4.5", "::g"])
def test_a_host_that_is_none(tmp_path: Path, host: str):
    refused = run("--host", host, "--port", "0", "--data", str(tmp_path))
    is_told(refused, f"on {host} cannot be used")


def test_a_user_without_a_home(tmp_path: Path):
    refused = run("--port", "0", XDG_DATA_HOME="~nobody-of-this-name")
    is_told(refused, "The setting 'data' cannot be right: the home folder in it is not known")
