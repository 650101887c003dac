"""Sets up the Python environment that `./start` and `./test` use. Standard library only.

    python3 prepare.py requirements.txt          # what the server needs
    python3 prepare.py requirements-test.txt     # what the tests need besides

The packages are those of the lock files, checked by their hashes. Where nothing has changed since
the last time, this takes a few milliseconds.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
NOTE = ENVIRONMENT / "installed"
OLDEST = (3, 11)

CHINESE = (os.environ.get("LC_ALL") or os.environ.get("LANG") or "").lower().startswith("zh")


def say(english: str, chinese: str) -> None:
    print(chinese if CHINESE else english, flush=True)


def give_up(english: str, chinese: str) -> None:
    say(english, chinese)
    raise SystemExit(1)


def main() -> None:
    files = [HERE / name for name in sys.argv[1:]]
    wanted = fingerprint(files)
    if PYTHON.exists() and NOTE.exists() and NOTE.read_text() == wanted:
        return
    began = time.monotonic()
    NOTE.unlink(missing_ok=True)
    if not PYTHON.exists():
        say("Making the Python environment in .venv …", "正在 .venv 里建立 Python 环境……")
        make_environment()
    install(files)
    NOTE.write_text(wanted)
    took = time.monotonic() - began
    say(f"The environment is ready ({took:.0f} s).", f"环境已就绪（{took:.0f} 秒）。")


def fingerprint(files: list[Path]) -> str:
    """What the environment must have been made from to be the right one."""
    content = b"".join(file.read_bytes() for file in files)
    return f"{hashlib.sha256(content).hexdigest()} {sys.version} {HERE}"


def make_environment() -> None:
    if sys.version_info < OLDEST:
        give_up(
            "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ".",
            "需要 Python 3.11 或更新的版本，当前是 " + sys.version.split()[0] + "。",
        )
    # Debian keeps it in a package of its own.
    if importlib.util.find_spec("ensurepip") is None:
        install_venv_package()
    if shutil.disk_usage(HERE).free < 10**9:
        give_up("Less than 1 GB of disk is free here.", "这里的磁盘剩余空间不足 1 GB。")
    try:
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        give_up(f"The environment cannot be made: {error}.", f"环境建立失败：{error}。")


def install_venv_package() -> None:
    package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
    if shutil.which("apt-get") and os.geteuid() == 0:
        say(f"Installing {package} …", f"正在安装 {package}……")
        for step in (["update"], ["install", "-y", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *step], check=True, stdout=subprocess.DEVNULL)
        # This process has looked for it in vain already; a fresh one finds it.
        os.execv(sys.executable, [sys.executable, *sys.argv])
    give_up(
        f"Python's venv module is incomplete here: install {package} "
        f"(sudo apt-get install {package}) and start again.",
        f"这里的 Python 缺少 venv：请先安装（sudo apt-get install {package}），再次启动。",
    )


def install(files: list[Path]) -> None:
    """First pip, as the lock has it: newer ones are several times faster."""
    lock = "\n".join(file.read_text("utf-8") for file in files)
    pip = ENVIRONMENT / "pip.txt"
    match = re.search(r"^pip==.*?(?=^\S)", lock, re.MULTILINE | re.DOTALL)
    if match:
        pip.write_text(match.group())
        run_pip(["--requirement", str(pip)], 0)
    count = len(re.findall(r"^[a-z0-9].*?==", lock, re.MULTILINE))
    say(f"Installing {count} packages …", f"正在安装 {count} 个软件包……")
    run_pip([word for file in files for word in ("--requirement", str(file))], count)


def run_pip(arguments: list[str], count: int) -> None:
    """Shows a line that renews itself; everything pip said, where it fails."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install"]
    # Bytecode is made where it is first needed: most of the code never is.
    options = ["--no-compile", "--require-hashes", "--no-warn-script-location"]
    process = subprocess.Popen(
        [*command, *options, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    done = 0
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if line.startswith("Collecting "):
            done += 1
            show(f"  [{done}/{count}] {line.split()[1]}")
        elif line.startswith("Installing collected"):
            show("  …")
    if process.wait() != 0:
        show("")
        print("".join(said[-25:]))
        give_up(
            "The packages could not be installed; pip's words stand above. "
            "Check the network and the disk, and start again: what is there is kept.",
            "软件包没有装好，pip 的原话见上。请检查网络和磁盘后再次启动，已装好的会保留。",
        )
    show("")


def show(words: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{words}", end="", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        give_up("\nStopped. Start again, and it goes on.", "\n已停止。再次启动会继续。")
