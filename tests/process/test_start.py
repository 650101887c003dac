"""`start`: what it says, and what it says where it cannot."""

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.processes import command, run, started
from xiaozhi import __version__


def test_it_says_where_everything_is(tmp_path: Path, model_server: tuple[object, str]):
    with started(tmp_path, "--no-ui", "--model-url", model_server[1]) as server:
        server.stop()
    said = "".join(server.said)
    assert f"API    http://localhost:{server.port}/v1" in said
    assert f"Data   {tmp_path}" in said
    assert "Stop with Ctrl+C." in said
    assert "Model  scripted" in said


def test_it_speaks_the_language_of_the_terminal(tmp_path: Path, model_server: tuple[object, str]):
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags, LANG="zh_CN.UTF-8") as server:
        server.stop()
    assert "按 Ctrl+C 停止。" in "".join(server.said)


def test_the_key_is_made_once_and_kept_to_its_owner(
    tmp_path: Path, model_server: tuple[object, str]
):
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags, XIAOZHI_API_KEY="") as server:
        server.stop()
    key = tmp_path / "api-key"
    first = key.read_text()
    assert first.startswith("xz-")
    assert key.stat().st_mode & 0o777 == 0o600
    assert first not in "".join(server.said)
    with started(tmp_path, *flags, XIAOZHI_API_KEY=""):
        assert key.read_text() == first


def test_help_explains_every_flag():
    shown = run("--help")
    assert shown.returncode == 0
    for flag in (
        "--host",
        "--allowed-hosts",
        "--port",
        "--data",
        "--model",
        "--model-url",
        "--no-ui",
        "--dev",
    ):
        assert flag in shown.stdout


def test_a_taken_port_is_told_before_anything_else(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run("--port", port, "--data", str(tmp_path))
    assert refused.returncode == 1
    assert f"Port {port} on 127.0.0.1 cannot be used: Address already in use." in refused.stderr
    assert "--port" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_so():
    refused = run("--port", "0", "--data", "/sys/xiaozhi", "--model-url", "http://127.0.0.1:9/v1")
    assert refused.returncode == 1
    assert "The data folder /sys/xiaozhi cannot be used" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_data_of_a_newer_version_is_left_alone(tmp_path: Path):
    path = tmp_path / "xiaozhi.db"
    with sqlite3.connect(path) as newer:
        newer.execute("CREATE TABLE alembic_version (version_num TEXT)")
        newer.execute("INSERT INTO alembic_version VALUES ('9999')")
    newer.close()
    before = path.read_bytes()
    refused = run("--port", "0", "--data", str(tmp_path), "--model-url", "http://127.0.0.1:9/v1")
    assert refused.returncode == 1
    assert "written by a newer version of this program (schema 9999" in refused.stderr
    assert path.read_bytes() == before


def test_what_is_no_database_is_left_alone(tmp_path: Path):
    path = tmp_path / "xiaozhi.db"
    path.write_bytes(b"a letter to my grandmother" * 100)
    refused = run("--port", "0", "--data", str(tmp_path), "--model-url", "http://127.0.0.1:9/v1")
    assert refused.returncode == 1
    assert "cannot be used: file is not a database" in refused.stderr
    assert path.read_bytes().startswith(b"a letter")


def test_one_server_a_folder(tmp_path: Path, model_server: tuple[object, str]):
    flags = ["--no-ui", "--model-url", model_server[1]]
    with started(tmp_path, *flags):
        refused = run("--port", "0", "--data", str(tmp_path), *flags)
    assert refused.returncode == 1
    assert f"Another server is using the data in {tmp_path}." in refused.stderr


@pytest.mark.parametrize(
    ("file", "content"),
    [(".streamlit/secrets.toml", "OPENAI_API_KEY = sk-unquoted"), ("xiaozhi.toml", "port = ")],
)
def test_a_file_that_is_no_toml_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str
):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(content)
    monkeypatch.chdir(tmp_path)
    refused = run("--data", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert f"{file} is not valid TOML" in refused.stderr
    assert "(at " in refused.stderr
    assert "sk-unquoted" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_settings_come_from_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_server: tuple[object, str]
):
    (tmp_path / "xiaozhi.toml").write_text(f'model_url = "{model_server[1]}"\nui = false\n')
    monkeypatch.chdir(tmp_path)
    with started(tmp_path / "data") as server:
        assert [model.id for model in server.client().models.list()] == ["scripted"]


def test_a_setting_that_cannot_be_is_told_by_its_name(tmp_path: Path):
    refused = run("--port", "99999", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert "The setting 'port' cannot be right" in refused.stderr


def test_a_model_file_that_is_not_there_is_told_so(tmp_path: Path):
    refused = run("--port", "0", "--data", str(tmp_path), "--model", "/nowhere/model.gguf")
    assert refused.returncode == 1
    assert "There is no model file /nowhere/model.gguf." in refused.stderr


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['xiaozhi', '--help']\n"
        "from xiaozhi.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'openai', 'streamlit', 'sqlalchemy', 'fastapi'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "set()"


def test_the_command_has_its_version():
    shown = subprocess.run(command("--version"), capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == __version__
