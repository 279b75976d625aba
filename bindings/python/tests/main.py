"""Runs every test and ends with the line that the repository's `test` sums up."""

from __future__ import annotations

import faulthandler
import logging
import sys
import time
import unittest
from pathlib import Path


def main() -> int:
    # A deadlock must say where it is: long before anybody would give up waiting.
    faulthandler.dump_traceback_later(900, exit=True)
    # unittest runs loops in debug mode, which tells of every callback that a busy machine slows down.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    folder = str(Path(__file__).resolve().parent)
    pattern = sys.argv[1] if len(sys.argv) > 1 else "test_*.py"
    suite = unittest.defaultTestLoader.discover(folder, pattern, folder)
    started = time.monotonic()
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, warnings="default").run(suite)
    failed = {test.id().split(" ")[0] for test, _ in (*result.failures, *result.errors)}
    passed = result.testsRun - len(failed)
    # Nothing here may be skipped; a suite that is empty proves nothing.
    good = result.wasSuccessful() and not result.skipped and result.testsRun > 0
    print(
        f"test result: {'ok' if good else 'FAILED'}. {max(passed, 0)} passed; {len(failed)} failed;"
        f" {len(result.skipped)} ignored; finished in {time.monotonic() - started:.2f}s"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
