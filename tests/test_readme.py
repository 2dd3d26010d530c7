"""The README's Python runs, in order, and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_prints_what_stands_behind_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = README.read_text(encoding="utf-8")
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(code, names)  # noqa: S102
    (accuracy,) = re.findall(r"It prints `([\d.]+)`", text)
    assert float(accuracy) == round(float(printed.getvalue().split()[0]), 3)
    assert (tmp_path / "explanation.html").exists()
    assert len(text.split()) <= 900
