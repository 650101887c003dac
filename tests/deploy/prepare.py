"""Gets Debian's nginx for the tests of the balancer. Standard library only.

    python3 tests/deploy/prepare.py

The package is unpacked below .cache and not installed: nothing is started, no root is needed. Where
there is no apt, install nginx first.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

UNPACKED = Path(__file__).resolve().parents[2] / ".cache/nginx"


def main() -> None:
    if nginx() is not None:
        return
    if shutil.which("apt-get") is None:
        raise SystemExit("nginx is missing: install it first.")
    print("Getting nginx …", flush=True)
    # A folder of its own: apt writes into the one it is called in, as another user where it can.
    with tempfile.TemporaryDirectory() as folder:
        if download(folder):
            [package] = Path(folder).glob("*.deb")
            UNPACKED.mkdir(parents=True)
            subprocess.run(["dpkg-deb", "--extract", package, UNPACKED], check=True)
    if nginx() is None:
        raise SystemExit("nginx could not be had: install it first (sudo apt-get install nginx).")


def nginx() -> str | None:
    """The program; this machine's own, if it has one."""
    return shutil.which("nginx") or shutil.which(str(UNPACKED / "usr/sbin/nginx"))


def download(folder: str) -> bool:
    command = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "nginx"]
    for refreshed in (False, True):
        if refreshed:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False)
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0:
            return True
    return False


if __name__ == "__main__":
    main()
