"""How much of the tests runs: `--quick`, what is usual, or `--deep`. No test registers itself."""

from pathlib import Path

import pytest

# Fixtures of what takes long to start. Whoever asks for one of them is not quick.
SLOW_FIXTURES = frozenset({"chromium", "postgres"})
# Folders whose tests start processes of their own.
SLOW_FOLDERS = frozenset({"clients", "deploy", "process", "replicas", "resilience"})
# And files: they start processes, too, or load the built-in model.
SLOW_FILES = frozenset({"test_built_in.py", "test_logic.py", "test_postgres.py"})
TESTS = Path(__file__).parent


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("depth")
    group.addoption("--quick", action="store_true", help="without browser, processes and Postgres")
    group.addoption(
        "--deep", action="store_true", help="many kills, and all cases on both databases"
    )


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Removes from `items` what this depth does not run; pytest counts it as deselected."""
    if config.getoption("--deep"):
        return
    quick = bool(config.getoption("--quick"))
    left_out = [item for item in items if _is_left_out(item, quick)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _is_left_out(item: pytest.Item, quick: bool) -> bool:
    on_postgres = _database(item) == "postgres"
    if on_postgres and item.get_closest_marker("one_database"):
        return True
    return quick and (on_postgres or _is_slow(item))


def _is_slow(item: pytest.Item) -> bool:
    fixtures: list[str] = getattr(item, "fixturenames", [])
    folder = item.path.relative_to(TESTS).parts[0]
    # The page's server alone takes seconds to start, so of `ui` only what needs none is quick.
    return (
        folder in SLOW_FOLDERS
        or (folder == "ui" and "model_server" in fixtures)
        or item.path.name in SLOW_FILES
        or not SLOW_FIXTURES.isdisjoint(fixtures)
    )


def _database(item: pytest.Item) -> object:
    """What `server` or `database` is made on, where a test runs on each of both."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return None
    return callspec.params.get("server") or callspec.params.get("database")
