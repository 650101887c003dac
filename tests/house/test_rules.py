"""Rules that can be checked are tests, not wishes."""

import ast
import json
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "xiaozhi"
CLIENTS = ROOT / "tests/clients"
LONGEST = 400  # lines; at 300 one looks for the second thought
BROAD_EXCEPTS = {
    # The looks at what was left: whatever one of them meets, the next one must come.
    "xiaozhi/dispatch/replicas.py": 1,
    # A run's task: whatever fails, the run must come to an end that is told.
    "xiaozhi/runs/execution.py": 1,
    # The same, for what nobody moves any more.
    "xiaozhi/runs/watchdog.py": 1,
    # The writer's thread: the error is the caller's, on another thread; and whatever ends its loop,
    # it begins again.
    "xiaozhi/store/sqlite.py": 2,
}
# Split, so that this file names none of them
REGISTRIES = ["py" + "pi.org", "python" + "hosted", "registry.npm" + "js", "deb.deb" + "ian"]


@cache
def committed() -> list[Path]:
    """The files that git knows, or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_thought_with_its_job_on_top(path: Path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "its job, in one sentence"
    assert len(text.splitlines()) <= LONGEST


def test_names_say_what_things_are():
    vague = re.compile(r"util|helper|manager|common|misc")
    assert [path.name for path in modules() if vague.search(path.name)] == []


def test_errors_are_caught_broadly_in_known_places_only():
    found: dict[str, int] = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if catches_everything(node):
                name = str(path.relative_to(ROOT))
                found[name] = found.get(name, 0) + 1
    assert found == BROAD_EXCEPTS


def catches_everything(node: ast.AST) -> bool:
    """Whether `node` is an `except` or a `suppress` of everything."""
    match node:
        case ast.ExceptHandler(type=caught):
            return is_broad(caught)
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=caught):
            return any(is_broad(one) for one in caught)
        case _:
            return False


def is_broad(caught: ast.expr | None) -> bool:
    """Whether an `except` catches everything: by name, by no name, or as one of several."""
    match caught:
        case None:
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ("Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup")
        case ast.Tuple(elts=several) | ast.List(elts=several):
            return any(is_broad(one) for one in several)
        case ast.Starred(value=several) | ast.NamedExpr(value=several):
            return is_broad(several)
        case ast.BinOp(left=left, right=right):
            return is_broad(left) or is_broad(right)
        case _:
            return False


@pytest.mark.parametrize(
    ("clause", "broad"),
    [
        ("except:", True),
        ("except Exception:", True),
        ("except BaseException as error:", True),
        ("except (Exception, KeyError):", True),
        ("except (KeyError, (ValueError, Exception)):", True),
        ("except builtins.Exception:", True),
        ("except (KeyError, *(Exception,)):", True),
        ("except (KeyError,) + (Exception,):", True),
        ("except* Exception:", True),
        ("with suppress(KeyError, Exception):", True),
        ("with contextlib.suppress(Exception):", True),
        ("with suppress(KeyError):", False),
        ("except KeyError:", False),
        ("except (KeyError, ValueError):", False),
        ("except errors.NotFound:", False),
    ],
)
def test_every_way_to_catch_everything_is_seen(clause: str, broad: bool):
    code = f"try: pass\n{clause} pass" if clause.startswith("except") else f"{clause} pass"
    assert any(map(catches_everything, ast.walk(ast.parse(code)))) == broad


def test_no_file_names_a_package_registry():
    for path in committed():
        if path.suffix in (".png", ".mo", ".ico"):
            continue
        text = path.read_text("utf-8")
        for host in REGISTRIES:
            assert host not in text, path


def test_the_locks_hold_hashes_and_no_addresses():
    names = ["requirements.txt", "requirements-test.txt"]
    clients = sorted(CLIENTS.glob("*/requirements.txt"))
    peers = sorted(ROOT.glob("benchmarks/*/requirements.txt"))
    for path in [ROOT / name for name in names] + clients + peers:
        lock = path.read_text()
        assert "://" not in lock
        for entry in re.split(r"\n(?=[a-z0-9])", lock)[1:]:
            assert "--hash=sha256:" in entry, entry
    for path in CLIENTS.glob("*/package-lock.json"):
        packages = json.loads(path.read_text())["packages"]
        for name in packages.keys() - {""}:
            assert packages[name]["integrity"].startswith("sha512-"), (path, name)
            assert "resolved" not in packages[name], (path, name)


def test_the_lock_holds_everything_that_the_project_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "requirements.txt": project["project"]["dependencies"],
        "requirements-test.txt": project["dependency-groups"]["dev"],
    }
    for name, dependencies in wanted.items():
        locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / name).read_text(), re.MULTILINE))
        for dependency in dependencies:
            match = re.match(r"[a-z0-9-]+", dependency)
            assert match
            assert match.group() in locked, f"{name} is stale: {dependency}"


def test_no_task_is_left_without_its_issue():
    unowned = re.compile(r"\b(TODO|FIXME|XXX)\b(?!.*#\d)")
    for path in modules():
        for line in path.read_text().splitlines():
            assert not unowned.search(line), f"{path}: {line}"
