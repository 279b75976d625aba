"""The example of docs/embedding.md, taken from the document's text, run as its reader would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tests.bank import Login
from tests.world import World

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "embedding.md"


def example(language: str) -> str:
    found = re.findall(rf"<!-- run: {language} -->\n```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert len(found) == 1, f"{len(found)} examples in {language}"
    return found[0]


class Document(unittest.TestCase):
    def test_every_first_approval_is_under_15_lines(self) -> None:
        for language in ("python", "kotlin", "swift"):
            lines = [line for line in example(language).splitlines() if line.strip()]
            self.assertLess(len(lines), 15, language)

    def test_the_python_example_approves_a_login(self) -> None:
        world = World.shared()
        handed_out = world.activation(world.citizen())
        with tempfile.TemporaryDirectory(prefix="godkend-document-") as folder:
            shutil.copy(world.serving["root"], Path(folder) / "root.json")
            program = subprocess.Popen(
                [sys.executable, "-u", "-c", example("python")],
                cwd=folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                assert program.stdin is not None and program.stdout is not None
                program.stdin.write(handed_out["text"] + "\n")
                program.stdin.flush()
                digits = re.search(r"[0-9]{8}", program.stdout.readline())
                assert digits is not None
                world.confirm(digits[0], handed_out["id"])
                # It asks for the QR code without ending the line; what the page shows then is good for three seconds.
                prompt = ""
                while not prompt.endswith("QR code: "):
                    character = program.stdout.read(1)
                    assert character, prompt
                    prompt += character
                asked = Login(world)
                program.stdin.write(asked.frame() + "\n")
                program.stdin.flush()
                self.assertEqual(program.stdout.read(), "Testbanken asks: LOG_ON\n")
                self.assertEqual(program.wait(60), 0)
                self.assertEqual(asked.wait_for("approved"), "approved")
            finally:
                program.kill()
                program.communicate()
