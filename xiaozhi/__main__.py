"""The commands: `xiaozhi start` (also called `start`, and `./start`), `serve` and `migrate`."""

import argparse
import asyncio
import gc
import logging
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xiaozhi import __version__, data_folder, logs, settings
from xiaozhi.errors import CannotStart
from xiaozhi.settings import Settings
from xiaozhi.terminal import BytesProgress, complain, say

# Of the database, the log and the page some 50, and each connection is one more
FILES = 128

log = logging.getLogger("xiaozhi")


def main(arguments: Sequence[str] | None = None) -> int:
    given = vars(_parser().parse_args(arguments))
    command: str = given.pop("command")
    if given.pop("dev", False):
        from xiaozhi.reload import run_and_reload

        return run_and_reload()
    # What is made from now on, here and in child processes, is closed to other users.
    os.umask(0o077)
    hints = command != "serve"
    # Before the settings are known: what is wrong with them is told in this way too.
    log_format: logs.Format = "text" if hints else "json"
    log_level: logs.Level = "warning" if hints else "info"
    logs.begin(log_format, log_level)
    try:
        chosen = settings.load(given)
        log_format = chosen.log_format or log_format
        logs.begin(log_format, chosen.log_level or log_level)
        if command == "migrate":
            _migrate(chosen)
        else:
            _serve(chosen, hints=hints)
    except CannotStart as error:
        _tell(error, log_format)
        return 1
    except OSError as error:
        # Whatever the system refuses: no more files, no room, no permission
        log.debug("the system refused", exc_info=True)
        words = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        _tell(CannotStart("The system refuses: {words}.", words=words + where), log_format)
        return 1
    except KeyboardInterrupt:
        say("Stopped. Start again, and it goes on from here.")
        return 130
    return 0


def _tell(error: CannotStart, log_format: logs.Format) -> None:
    if log_format == "json":
        log.critical("%s", error.message)
    else:
        complain(error)


def start() -> int:
    """The console script `start`, as the tutorial had it."""
    return main(["start", *sys.argv[1:]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xiaozhi",
        description="小智·Zero: a private assistant, and an Assistants API of your own.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, does in (
        ("start", "set up what is missing, serve the page and the API, say where"),
        ("serve", "the same, without words for people: for service managers"),
    ):
        command = commands.add_parser(name, help=does, description=f"{name}: {does}")
        _add_flags(command, Settings.model_fields)
        command.add_argument(
            "--dev", action="store_true", help="start again whenever the code changes"
        )
    does = "bring the database up to the schema of this version, and end"
    migrate = commands.add_parser("migrate", help=does, description=f"migrate: {does}")
    _add_flags(migrate, [name for name in Settings.model_fields if name in ("database", "data")])
    return parser


def _add_flags(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """One flag a setting; what is not given is left to the other sources."""
    for name in names:
        field = Settings.model_fields[name]
        extra: Any = field.json_schema_extra or {}
        if extra.get("flag") is False:
            continue
        flag = name.replace("_", "-")
        if field.annotation is bool:
            parser.add_argument(
                f"--no-{flag}",
                dest=name,
                action="store_const",
                const=False,
                default=argparse.SUPPRESS,
                help=field.description,
            )
        else:
            words = field.description or ""
            if "(default" not in words:
                words += f" (default: {field.get_default(call_default_factory=True)})"
            parser.add_argument(
                f"--{flag}", default=argparse.SUPPRESS, metavar=name.upper(), help=words
            )


def _migrate(chosen: Settings) -> None:
    from xiaozhi import store

    if address := chosen.postgres():
        from xiaozhi.store.postgres import migrate

        revision = asyncio.run(migrate(address))
    else:
        revision = store.migrate(chosen.sqlite())
    say("The database is up to date (schema {revision}).", revision=revision)


def _serve(chosen: Settings, *, hints: bool) -> None:
    _need_files()
    listening = _listen(chosen.host, chosen.port)
    data_folder.prepare(chosen.data)
    gguf = _built_in_file(chosen)
    # Only now: these take a second to import, and the port and the model may be missing. A quarter
    # of it would be spent on looking for garbage among what stays, until `serve` enables it again.
    gc.disable()
    from xiaozhi.serving import serve

    serve(chosen, listening, gguf, hints=hints)


def _need_files() -> None:
    """Raises CannotStart where this process may not open enough files and connections."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or soft >= FILES:
        return
    if hard != unlimited and hard < FILES:
        raise CannotStart(
            "Only {limit} files may be open at a time; the server needs at least {needed}.",
            "Raise the limit: ulimit -n 1024, or LimitNOFILE in the service's unit.",
            limit=hard,
            needed=FILES,
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


def _listen(host: str, port: int) -> socket.socket:
    """A socket bound early, so that a taken port is said before anything is downloaded."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    # A name that no resolver takes is told as a UnicodeError, one with a NUL as a ValueError.
    except (OSError, ValueError) as error:
        listening.close()
        raise CannotStart(
            "Port {port} on {host} cannot be used: {words}.",
            "Stop the program that uses it, or choose another one with --port.",
            port=port,
            host=host,
            words=getattr(error, "strerror", None) or error,
        ) from error
    return listening


def _built_in_file(chosen: Settings) -> Path | None:
    """The file of the model that runs in a child of ours, fetched if missing; None without one."""
    from xiaozhi.chat_models import weights

    folder = chosen.data / "models"
    name = chosen.model or ""
    if name.startswith("hf:"):
        say("Getting {name} ready…", name=name)
        return weights.fetch_from_hub(name, folder, BytesProgress)
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise CannotStart("There is no model file {path}.", "Correct --model.", path=path)
        return path
    if chosen.endpoint() or name:
        return None
    if not (folder / weights.BUILT_IN.file).exists():
        say("Downloading the built-in model (491 MB, once)…")
    progress = BytesProgress(weights.BUILT_IN.size)
    path = weights.fetch(weights.BUILT_IN, folder, progress)
    progress.end()
    return path


if __name__ == "__main__":
    sys.exit(main())
