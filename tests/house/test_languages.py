"""Every sentence that people see is there in Chinese too."""

import ast
import gettext
import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

from xiaozhi.chat_models.chat_model import SENTENCES
from xiaozhi.ui import script_words

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "xiaozhi/locale/zh_CN/LC_MESSAGES/xiaozhi.po"
# Functions whose string arguments are shown to people, and how many of them are sentences
SPEAKERS = {"_": 1, "say": 1, "CannotStart": 2, "Sentence": 1}
# Here an error says what is wrong with a setting
OF_SETTINGS = ("settings.py", "endpoint_address.py")


def spoken() -> set[str]:
    """The sentences in the code."""
    found: set[str] = {*SENTENCES, *script_words.STREAMLIT, *script_words.OURS}
    for path in (ROOT / "xiaozhi").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                is_reason = node.func.id == "ValueError" and path.name in OF_SETTINGS
                sentences = 1 if is_reason else SPEAKERS.get(node.func.id, 0)
                for argument in node.args[:sentences]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found.add(argument.value)
    # The last one is nothing but a value.
    return found - {"", "{words}"}


def test_every_sentence_is_translated_and_none_is_left_over():
    with CATALOGUE.open("rb") as file:
        catalogue = read_po(file)
    translated = {str(message.id) for message in catalogue if message.id and message.string}
    indirect = {
        # Said by a constant or by a run's last_error
        "The server had an error processing your request. Sorry about that!",
        "Check the network and start again: what was downloaded is kept. Or let another model "
        "answer: --model-url with the address of any OpenAI-compatible endpoint, --model with a "
        ".gguf file.",
    }
    assert spoken() - translated == set()
    assert translated - spoken() == indirect


def test_a_translation_holds_the_same_names():
    with CATALOGUE.open("rb") as file:
        for message in read_po(file):
            names = {part.split("}")[0] for part in str(message.id).split("{")[1:]}
            told = {part.split("}")[0] for part in str(message.string).split("{")[1:]}
            if message.id:
                assert names == told, message.id


def test_the_compiled_catalogue_is_fresh(tmp_path: Path):
    fresh = tmp_path / "xiaozhi.mo"
    command = [sys.executable, "-m", "babel.messages.frontend", "-q", "compile"]
    subprocess.run([*command, "-i", str(CATALOGUE), "-o", str(fresh)], check=True)
    with fresh.open("rb") as new, CATALOGUE.with_suffix(".mo").open("rb") as kept:
        one, other = (vars(gettext.GNUTranslations(file))["_catalog"] for file in (new, kept))
    # The header, under "", holds the time of compilation.
    del one[""], other[""]
    assert one == other, "run: .venv/bin/pybabel compile -d xiaozhi/locale -D xiaozhi"
