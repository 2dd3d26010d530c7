"""Render the README's picture from a real page: ``python tests/readme_picture.py``; needs chromium.

The page is what ``elman explain --index 3`` writes. The picture is its triangle of terms, from the
heading to what stands below the drawing.
"""

import base64
import subprocess
import sys
import tempfile
from pathlib import Path

from browser import Browser

PICTURE = Path(__file__).parents[1] / "docs/static/explanation.png"
PANEL = "panel-6"
BOX = f"""(() => {{
    const panel = document.getElementById("{PANEL}")
    const top = panel.querySelector("h2").getBoundingClientRect().top - 40
    const drawing = panel.querySelector("svg").getBoundingClientRect()
    const x = drawing.left - 20, bottom = drawing.bottom + 122
    return {{x: x + scrollX, y: top + scrollY, width: 840, height: bottom - top}}
}})()"""  # of the page, not of the window


def main():
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "notes.html")
        command = [sys.executable, "-m", "elman", "explain", "--index", "3", "--html", str(page)]
        subprocess.run(command, check=True)
        with Browser(Path(folder, "profile")) as browser:
            browser.open(page, width=1000)
            box = browser.evaluate(BOX)
            shot = browser.call(
                "Page.captureScreenshot", captureBeyondViewport=True, clip={**box, "scale": 1}
            )
    PICTURE.write_bytes(base64.b64decode(shot["data"]))
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
