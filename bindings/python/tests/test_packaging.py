"""Packaging and measuring as their users meet them: where the NDK, Xcode or a tool is missing they say what, and leave nothing
behind; a library that has grown is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BINDINGS = Path(__file__).resolve().parents[2]


def script(name: str, *arguments: str, folder: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANDROID_NDK")}
    return subprocess.run(
        [BINDINGS / name, *arguments], capture_output=True, text=True, env={**own, "GODKEND_OUT": folder, **environment}
    )


def tool(folder: Path, name: str, text: str) -> None:
    """A tool of another machine's, found before the real one."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


class Packaging(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="godkend-packaging-")
        self.addCleanup(shutil.rmtree, self.folder)

    def fails(self, done: subprocess.CompletedProcess[str], *words: str) -> None:
        """One clear sentence on standard error, nothing else, and no half package."""
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in ("bindings/package: ", *words):
            self.assertIn(word, done.stderr)
        self.assertEqual([path for path in os.listdir(self.folder) if path != "tools"], [])

    def test_an_aar_asks_for_the_ndk(self) -> None:
        self.fails(script("package", "aar", folder=self.folder), "ANDROID_NDK_HOME", "install the NDK")

    def test_an_aar_says_that_a_folder_is_no_ndk(self) -> None:
        done = script("package", "aar", folder=self.folder, ANDROID_NDK_HOME="/nonexistent")
        self.fails(done, "/nonexistent", "something else than an NDK")

    def test_an_xcframework_asks_for_macos(self) -> None:
        tools = Path(self.folder) / "tools"
        tool(tools, "uname", "echo Linux")
        done = script("package", "xcframework", folder=self.folder, PATH=f"{tools}:{os.environ['PATH']}")
        self.fails(done, "macOS", "Xcode")

    def test_an_xcframework_asks_for_xcode(self) -> None:
        tools = Path(self.folder) / "tools"
        tool(tools, "uname", "echo Darwin")
        tool(tools, "xcodebuild", "exit 1")
        done = script("package", "xcframework", folder=self.folder, PATH=f"{tools}:{os.environ['PATH']}")
        self.fails(done, "xcodebuild is missing", "install Xcode")

    def test_a_wheel_asks_for_a_python_that_is_new_enough_and_has_pip(self) -> None:
        tools = Path(self.folder) / "tools"
        tool(tools, "old-python", "exit 1")
        self.fails(script("package", "wheel", folder=self.folder, PYTHON=str(tools / "old-python")), "Python 3.10")
        tool(tools, "bare-python", f'case "$*" in *pip*) exit 1;; esac; exec {sys.executable} "$@"')
        self.fails(script("package", "wheel", folder=self.folder, PYTHON=str(tools / "bare-python")), "pip")

    def test_what_is_no_package_is_named(self) -> None:
        for arguments in ((), ("apk",), ("stop",)):
            self.fails(script("package", *arguments, folder=self.folder), "wheel, aar or xcframework?")


class Wheel(unittest.TestCase):
    def test_what_runs_here_is_the_installed_wheel(self) -> None:
        import godkend

        place = Path(godkend.__file__).resolve()
        self.assertTrue(place.is_relative_to(Path(sys.prefix).resolve()), place)
        self.assertNotIn(BINDINGS, place.parents)
        libraries = [path.name for path in place.parent.iterdir() if "godkend_ffi" in path.name]
        self.assertEqual(len(libraries), 1, libraries)
        # Nothing else came with it, and it says what it is.
        from importlib.metadata import requires, version

        self.assertIsNone(requires("godkend"))
        self.assertEqual(version("godkend"), godkend.version())


class Report(unittest.TestCase):
    """The comparison of sizes, over libraries that are plain files here; `bindings/size` builds the real ones."""

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="godkend-size-")
        self.addCleanup(shutil.rmtree, self.folder)

    def compare(self, size: int, last: str) -> subprocess.CompletedProcess[str]:
        library, report = Path(self.folder) / "library", Path(self.folder) / "size.txt"
        library.write_bytes(bytes(size))
        report.write_text(last)
        return script("size", "--compare", "a-target", str(library), folder=self.folder, GODKEND_SIZE_REPORT=str(report))

    def test_growth_beyond_five_per_cent_fails_and_says_what_to_do(self) -> None:
        done = self.compare(1_051_000, "a-target 1000000\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("+5.1 %", done.stdout)
        self.assertIn("bindings/size --write", done.stderr)

    def test_a_library_that_stays_or_shrinks_passes_beside_the_aim(self) -> None:
        for size, change in ((1_049_000, "+4.9 %"), (900_000, "-10.0 %")):
            done = self.compare(size, "a-target 1000000\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(change, done.stdout)
            self.assertIn("aim 3.0 MB", done.stdout)

    def test_a_target_without_a_last_report_is_new(self) -> None:
        done = self.compare(1_000_000, "another-target 1\n")
        self.assertEqual((done.returncode, "new" in done.stdout), (0, True))
