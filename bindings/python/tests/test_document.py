"""docs/embedding.md as its reader meets it: every block is run as it stands there, or says what it needs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "embedding.md"
# What a block may need instead of being run.
NEEDS = {"a phone", "the NDK", "Xcode", "some minutes"}
# Which suite runs which block, and where it says so.
RUN_BY = {
    "sh server": "bindings/python/tests/test_document.py",
    "sh desk": "bindings/python/tests/test_document.py",
    "sh wheel": "bindings/test",
    "python": "bindings/python/tests/test_document.py",
    "kotlin": "android",
    "swift": "ios/test",
    "rust": "tests/e2e/embedding.rs",
}


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Every fenced block: the line before it, its language, its text."""
    found: list[tuple[str, str, str]] = []
    before, language, lines = "", None, []
    for line in text.splitlines():
        if language is None and line.startswith("```"):
            language, lines = line.removeprefix("```"), []
        elif language is None:
            before = line
        elif line == "```":
            found.append((before, language, "".join(f"{one}\n" for one in lines)))
            language = None
        else:
            lines.append(line)
    assert language is None, "a block without an end"
    return found


def example(name: str, page: Path = DOCUMENT) -> str:
    found = [text for before, _, text in blocks(page.read_text()) if before == f"<!-- run: {name} -->"]
    assert len(found) == 1, f"{len(found)} blocks called {name}"
    return found[0]


def read_until(stream: IO[str], pattern: str) -> str:
    """What a program prints until it has printed this, without waiting for the end of a line."""
    text = ""
    while not (found := re.search(pattern, text)):
        character = stream.read(1)
        assert character, f"no {pattern} in:\n{text}"
        text += character
    return found[1] if found.groups() else found[0]


class Document(unittest.TestCase):
    def test_every_block_is_run_or_says_what_it_needs(self) -> None:
        for before, _, text in blocks(DOCUMENT.read_text()):
            marked = re.fullmatch(r"<!-- (run|needs): (.+) -->", before)
            self.assertIsNotNone(marked, f"not marked, after {before!r}:\n{text}")
            assert marked is not None
            if marked[1] == "needs":
                self.assertIn(marked[2], NEEDS)
                continue
            runner = ROOT / RUN_BY[marked[2]]
            if runner.is_dir():
                continue
            said = "docs/embedding.md" in runner.read_text() or "embedding.md" in runner.read_text()
            self.assertTrue(said, f"{runner} does not read this page")

    def test_every_first_approval_is_under_15_lines(self) -> None:
        for language in ("python", "kotlin", "swift"):
            lines = [line for line in example(language).splitlines() if line.strip()]
            self.assertLess(len(lines), 15, language)

    def test_the_readme_embeds_what_is_run_here(self) -> None:
        for language in ("python", "kotlin", "swift"):
            self.assertEqual(example(language, ROOT / "README.md"), example(language), language)

    def test_from_nothing_to_a_first_approval(self) -> None:
        """Three terminals, as on the page; only the folder of the person's own and the program's place are the test's."""
        with tempfile.TemporaryDirectory(prefix="godkend-document-") as home:
            tools = Path(home) / "bin"
            tools.mkdir()
            (tools / "godkend").symlink_to(os.environ["GODKEND_BINARY"])
            own = {name: value for name, value in os.environ.items() if not name.startswith("GODKEND_")}
            environment = {**own, "HOME": home, "NO_COLOR": "1", "PATH": f"{tools}:{own['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

            def terminal(command: list[str], folder: str) -> subprocess.Popen[str]:
                program = subprocess.Popen(
                    command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, start_new_session=True,
                )
                self.addCleanup(end, program)
                return program

            # On a free port, which is the one word that the page does not have.
            server_block = example("sh server").replace("serve --test", "serve --test --listen 127.0.0.1:0")
            server = terminal(["bash", "-e", "-c", server_block], home)
            assert server.stdout is not None
            read_until(server.stdout, r"https://localhost:[0-9]+")
            read_until(server.stdout, r"root\.json")

            phone_folder = Path(home) / "my-phone"
            phone_folder.mkdir()
            # The wheel and its environment are what runs this test: `bindings/test` made them from the page's block.
            copying = example("sh wheel").splitlines()[-1]
            self.assertTrue(copying.startswith("cp "), copying)
            subprocess.run(["bash", "-e", "-c", copying], env=environment, check=True)
            (phone_folder / "first.py").write_text(example("python"))

            desk = terminal(["bash", "-e", "-c", example("sh desk")], home)
            phone = terminal([sys.executable, "-u", "first.py"], str(phone_folder))
            assert desk.stdout and desk.stdin and phone.stdout and phone.stdin
            read_until(phone.stdout, "Link: ")
            type_into(phone.stdin, read_until(desk.stdout, r"(godkend://activate\S+)\s"))
            type_into(desk.stdin, read_until(phone.stdout, r"digits at the desk: ([0-9]{8})\n"))
            read_until(phone.stdout, "Number: ")
            type_into(phone.stdin, read_until(desk.stdout, r"\b([0-9]{4} [0-9]{4})\b"))
            self.assertEqual(read_until(phone.stdout, r".+ asks: .+\n"), "Testbanken asks: LOG_ON\n")
            self.assertEqual(phone.wait(60), 0, phone.stdout.read())
            answer = desk.stdout.read()
            self.assertEqual(desk.wait(60), 0, answer)
            self.assertIn("typed_number", answer)


def type_into(stream: IO[str], text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def end(program: subprocess.Popen[str]) -> None:
    """The program and whatever it has started."""
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    program.communicate()
