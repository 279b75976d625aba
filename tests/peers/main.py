"""Starts a server and a phone, lets each peer sign a person in, and says what came of it."""

import sys
import tempfile
import traceback
from pathlib import Path

import apache
import authlib_peer
import openid_client
import sites
from world import World


def main() -> int:
    tests = [*openid_client.TESTS, *authlib_peer.TESTS, *apache.TESTS, *sites.TESTS]
    passed = 0
    with tempfile.TemporaryDirectory(prefix="godkend-peers-") as folder:
        world = World(Path(folder))
        try:
            world.start()
            for test in tests:
                name = f"{test.__module__}.{test.__name__}"
                try:
                    test(world)
                except Exception:  # one peer's failure does not hide another's
                    traceback.print_exc()
                    print(f"test {name} ... FAILED", flush=True)
                else:
                    passed += 1
                    print(f"test {name} ... ok", flush=True)
        finally:
            world.stop()
    failed = len(tests) - passed
    print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {failed} failed; 0 ignored")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
