"""Runs after the others: no vector file may go unread. On its own it fails."""

from __future__ import annotations

import unittest

from . import vectors


class Coverage(unittest.TestCase):
    def test_every_file_was_replayed(self) -> None:
        files = {f"{path.parent.name}/{path.name}" for path in vectors.FOLDER.glob("*/*.json")}
        everything = {str(path.relative_to(vectors.FOLDER)) for path in vectors.FOLDER.rglob("*") if path.is_file()}
        self.assertEqual(everything - files, set(), "files of another form")
        self.assertEqual(files - set(vectors.READ), set(), "vector files that no test has read")
        for name, cases in vectors.READ.items():
            content = vectors.load(name)
            self.assertEqual(cases, len(content["cases"]), name)
