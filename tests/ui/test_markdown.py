"""What becomes of a model's markdown before Streamlit reads it."""

import pytest

from xiaozhi.ui.markdown import for_streamlit


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("好的~ 没问题~", r"好的\~ 没问题\~"),
        ("~~gone~~", "~~gone~~"),
        ("$5 and $10", r"\$5 and \$10"),
        (r"so \(x^2\) and \[y\]", "so $x^2$ and $$y$$"),
        ("$a_1$ costs $5", r"$a_1$ costs \$5"),
        (":red[no]", r"\:red[no]"),
        ("`:red[code] ~ $5`", "`:red[code] ~ $5`"),
        ("```\n~ $5\nline\n```", "```\n~ $5\nline\n```"),
        ("![a](http://x/y.png)", "[a 🖼](http://x/y.png)"),
        ("roses are red\nviolets are blue", "roses are red  \nviolets are blue"),
        ("one\n\ntwo\n", "one\n\ntwo\n"),
        ("- a\n- b", "- a  \n- b"),
    ],
)
def test_signs_mean_what_the_model_meant(said: str, shown: str):
    assert for_streamlit(said) == shown
