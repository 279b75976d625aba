"""openid-client of npm, which OpenID has certified: PAR, DPoP with nonces, userinfo, prompt=none, CIBA, logout."""

import json
import os
import subprocess
from pathlib import Path

from world import USER_ID, Browser, World


class Peer:
    """The script beside this file, spoken to in lines of JSON."""

    def __init__(self, world: World) -> None:
        packages = Path(os.environ["GODKEND_PEERS"]) / "node"
        script = packages / "openid_client.mjs"
        script.write_text(Path(__file__).with_name("openid_client.mjs").read_text())
        environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(world.certificate)}
        self.process = subprocess.Popen(
            ["node", str(script), world.url, world.secret, USER_ID], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, command: str, **arguments) -> dict:
        self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"openid-client ended with {self.process.wait(10)}")
        answer = json.loads(line)
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def pushes_binds_and_shares(world: World) -> None:
    browser = Browser(world)
    with Peer(world) as peer:
        begun = peer.ask("begin")
        assert "request_uri=" in begun["url"] and "scope=" not in begun["url"], begun
        ended = peer.ask("finish", callback=world.sign_in(browser, begun["url"]))
        assert ended["token_type"].lower() == "dpop", ended
        assert ended["claims"]["mitid.identity_name"] == "Anna Peersen", ended
        assert ended["userinfo"]["sub"] == ended["claims"]["sub"], ended
        # Within its group the login is shared: nobody is asked.
        begun = peer.ask("begin", prompt="none")
        answer = browser.get(begun["url"])
        again = peer.ask("finish", callback=answer.location)
        assert again["claims"]["auth_time"] == ended["claims"]["auth_time"], (again, ended)
        # And ends where the relying party says so.
        bye = browser.get(peer.ask("logout")["url"])
        assert (bye.status, bye.location) == (303, "http://127.0.0.1:1/bye?state=bye"), (bye.status, bye.location)
        refused = browser.get(peer.ask("begin", prompt="none")["url"])
        assert "error=login_required" in refused.location, refused.location


def polls_without_a_browser(world: World) -> None:
    with Peer(world) as peer:
        begun = peer.ask("ciba")
        world.approve(begun["number"])
        ended = peer.ask("poll")
        assert ended["token_type"].lower() == "dpop", ended
        assert ended["claims"]["mitid.identity_name"] == "Anna Peersen", ended
        assert ended["userinfo"]["sub"] == ended["claims"]["sub"], ended


TESTS = [pushes_binds_and_shares, polls_without_a_browser]
