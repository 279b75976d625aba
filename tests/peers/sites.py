"""The demo sites, as `examples/demo-sites` starts them: a step up at borger, a payment at netbank."""

import os
import re
import subprocess
import threading
import urllib.parse
import urllib.request
from pathlib import Path

from world import GODKEND, Browser, Page, World, free_port

COMMAND = Path(__file__).resolve().parents[2] / "examples" / "demo-sites"


class Demo:
    """The command, its output, and a browser that trusts its server."""

    def __init__(self, world: World) -> None:
        self.folder = world.folder / "sites"
        ports = {name: free_port() for name in ("GODKEND_PORT", "NETBANK_PORT", "BORGER_PORT", "SELF_SERVICE_PORT",
                                               "METRICS_PORT")}
        self.issuer = f"https://localhost:{ports['GODKEND_PORT']}"
        self.netbank = f"http://127.0.0.1:{ports['NETBANK_PORT']}"
        self.borger = f"http://127.0.0.1:{ports['BORGER_PORT']}"
        self.mine = f"http://127.0.0.1:{ports['SELF_SERVICE_PORT']}"
        environment = {**os.environ, **{name: str(port) for name, port in ports.items()},
                       "GODKEND_BINARIES": str(Path(GODKEND).parent)}
        self.process = subprocess.Popen(
            [str(COMMAND), str(self.folder)], env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.told = ""
        self.until("Ctrl-C stopper det hele.")
        self.until("Tallet på siden: ")
        self.certificate = self.folder / "server" / "data" / "tls-certificate.pem"

    def until(self, text: str) -> None:
        """Reads what the command prints up to this. The timer is only there so that a broken command ends the test."""
        timer = threading.Timer(120, self.process.kill)
        timer.start()
        try:
            start = len(self.told)
            while text not in self.told[start:]:
                letter = self.process.stdout.read(1)
                if not letter:
                    raise RuntimeError(self.told)
                self.told += letter
        finally:
            timer.cancel()

    def approve(self, number: str) -> None:
        self.process.stdin.write(number + "\n")
        self.process.stdin.flush()
        self.until("Tallet på siden: ")

    def stop(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


class Visitor(Browser):
    """A browser that follows redirects to the login page and presses the sites' buttons."""

    def press(self, url: str, **fields: str) -> Page:
        return self._send(urllib.request.Request(url, urllib.parse.urlencode(fields).encode()))

    def approve(self, demo: Demo, sent: Page, back: str) -> Page:
        """From a site's redirect through the login page to the site again."""
        login = self.get(sent.location).location
        if not login.startswith("/login/"):
            raise RuntimeError(f"no login page: {sent.status} {sent.body}")
        page = f"{demo.issuer}{login}"
        html = self.get(page).body
        number = re.search(r"&quot;number&quot;:&quot;(\d{8})&quot;", html)
        if number is None:
            number = re.search(r'"number":"(\d{8})"', self.post_json(f"{page}/user-id", {"user_id": "anna.demo"}).body)
        demo.approve(number.group(1))
        answer = self.get(f"{page}/finish")
        if not answer.location.startswith(f"{back}/callback?"):
            raise RuntimeError(f"not finished: {answer.status} {answer.location} {demo.told}")
        return self.get(answer.location)


def start_together_and_work(world: World) -> None:
    demo = Demo(world)
    try:
        assert all(site in demo.told for site in (demo.netbank, demo.borger, demo.mine)), demo.told
        _letter(demo)
        _payment(demo)
        _own_affairs(demo)
    except Exception as error:
        raise RuntimeError(demo.told) from error
    finally:
        demo.stop()


def _letter(demo: Demo) -> None:
    browser = Visitor(demo)
    home = browser.approve(demo, browser.press(f"{demo.borger}/login"), demo.borger)
    assert (home.status, home.location) == (303, "/"), (home.status, home.body)
    assert "Anna Andersen" in browser.get(demo.borger).body
    read = browser.get(f"{demo.borger}/letter")
    assert read.status == 403 and "Dit nye pas" not in read.body, (read.status, read.body)
    stepped = browser.approve(demo, browser.press(f"{demo.borger}/step-up"), demo.borger)
    assert (stepped.status, stepped.location) == (303, "/letter"), (stepped.status, stepped.body)
    read = browser.get(f"{demo.borger}/letter")
    assert read.status == 200 and "Dit nye pas" in read.body, (read.status, read.body)
    resource = f"{demo.borger}/api/letter"
    for authorization, challenge in (("", "Bearer"), ("DPoP forged", 'DPoP error="invalid_token"'), ("Bearer forged", 'Bearer error="invalid_token"')):
        headers = {"Authorization": authorization} if authorization else {}
        refused = browser._send(urllib.request.Request(resource, headers=headers))
        told = refused.headers["WWW-Authenticate"]
        assert refused.status == 401 and told.split(",")[0] == challenge, (refused.status, told, refused.body)
    browser.press(f"{demo.borger}/logout")
    assert browser.get(f"{demo.borger}/letter").location == "/", "a letter is for who is signed in"


def _payment(demo: Demo) -> None:
    browser = Visitor(demo)
    home = browser.approve(demo, browser.press(f"{demo.netbank}/login"), demo.netbank)
    assert (home.status, home.location) == (303, "/"), (home.status, home.body)
    wanted = {"amount": "1.250,50", "currency": "DKK", "payee": "Bager Sørensen", "account": "1234 0001234567"}
    paid = browser.approve(demo, browser.press(f"{demo.netbank}/pay", **wanted), demo.netbank)
    assert paid.status == 303, (paid.status, paid.body)
    receipts = browser.get(demo.netbank).body
    assert "1250.50 DKK til Bager Sørensen" in receipts, receipts


def _own_affairs(demo: Demo) -> None:
    browser = Visitor(demo)
    form = re.search(r'name="form" value="([^"]+)"', browser.get(f"{demo.mine}/").body)
    home = browser.approve(demo, browser.press(f"{demo.mine}/login", form=form.group(1)), demo.mine)
    assert (home.status, home.location) == (303, "/"), (home.status, home.body)
    seen = browser.get(f"{demo.mine}/").body
    assert "Anna Andersen" in seen and "Annas telefon" in seen, seen
    assert "Netbanken" in browser.get(f"{demo.mine}/history").body


TESTS = [start_together_and_work]
