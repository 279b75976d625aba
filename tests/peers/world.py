"""A server process, its desk, a phone that approves, and a browser without a screen."""

import hashlib
import http.cookiejar
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

PIN = "730915"
USER_ID = "anna.peers"
SECRET = secrets.token_hex(32)
GODKEND = os.environ["GODKEND_BINARY"]
SERVER = str(Path(GODKEND).with_name("godkend-server"))


def free_port() -> int:
    """A port that is free now. The server keeps it from its start on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def clients(apache: str) -> str:
    """The relying parties' tables. Two of them cannot push: mod_auth_openidc and Authlib know no RFC 9126."""
    hashed = hashlib.sha256(SECRET.encode()).hexdigest()
    tables = [
        ("openid-client", "http://127.0.0.1:1/openid-client",
         'dpop = true\nciba = true\npost_logout_redirect_uris = ["http://127.0.0.1:1/bye"]\n'
         'single_sign_on = "peers"'),
        ("authlib", "http://127.0.0.1:1/authlib", "unpushed = true"),
        ("apache", f"{apache}/protected/back", "unpushed = true"),
    ]
    return "".join(
        f'\n[[relying_party]]\nclient_id = "{name}"\nname = "{name}"\nclient_secret_sha256 = "{hashed}"\n'
        f'redirect_uris = ["{back}"]\n{more}\n'
        for name, back, more in tables
    )


class World:
    """One server, one person with one phone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.server_folder = self.home / "server"
        self.url = f"https://localhost:{free_port()}"
        self.apache = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen | None = None
        self.secret = SECRET

    @property
    def certificate(self) -> Path:
        return self.server_folder / "data" / "tls-certificate.pem"

    def start(self) -> None:
        listen = self.url.removeprefix("https://localhost")
        subprocess.run(
            [SERVER, "init", "--dir", self.server_folder, "--test", "--url", self.url, "--listen", f"127.0.0.1{listen}",
             "--metrics", f"127.0.0.1:{free_port()}"],
            check=True, stdout=subprocess.DEVNULL)
        config = self.server_folder / "godkend.toml"
        config.write_text(config.read_text() + clients(self.apache))
        environment = {**os.environ, "GODKEND_APPROVAL_SOFTWARE_KEYS_HIGH": "true"}
        self.log = (self.folder / "server.log").open("wb")
        self.process = subprocess.Popen([SERVER, "serve", "--config", config], env=environment, stderr=self.log)
        for _ in range(600):
            if self.certificate.exists() and self.answers():
                break
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text())
            time.sleep(0.1)
        else:
            raise RuntimeError("the server does not answer")
        self.activate()

    def answers(self) -> bool:
        try:
            return Browser(self).get(f"{self.url}/ready").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def godkend(self, *arguments: str, typed: list[str] | None = None) -> list[dict]:
        """Runs the testers' phone; its results."""
        command = [GODKEND, "--json", "--home", str(self.home), "--key-store", "file", *arguments]
        done = subprocess.run(command, input="".join(f"{line}\n" for line in typed or []), text=True,
                              capture_output=True, timeout=120, check=False)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.returncode} {done.stdout} {done.stderr}")
        return results

    def activate(self) -> None:
        self.godkend("create-citizen", "--name", "Anna Peersen", "--user-id", USER_ID, "--born", "1990-05-17",
                     "--level", "high")
        link = self.godkend("activation", USER_ID)[0]["text"]
        digits = self.godkend("activate", "--digits-only", typed=[link])[0]["digits"]
        self.godkend("confirm-digits", typed=[digits])
        self.godkend("resume", typed=[PIN, PIN])

    def approve(self, number: str) -> None:
        """Types the number of another screen in the app, and approves."""
        self.godkend("number", "--approve", typed=[number, PIN])

    def sign_in(self, browser: "Browser", address: str) -> str:
        """Goes to an authorization endpoint and through its page; the address that the browser is sent back to."""
        page = browser.get(address)
        login = page.location
        if page.status != 303 or not login.startswith("/login/"):
            raise RuntimeError(f"no login page: {page.status} {login} {page.body}")
        browser.get(self.url + login)
        shown = browser.post_json(f"{self.url}{login}/user-id", {"user_id": USER_ID})
        self.approve(json.loads(shown.body)["number"])
        back = browser.get(f"{self.url}{login}/finish")
        if back.status != 303:
            raise RuntimeError(f"not finished: {back.status} {back.body}")
        return back.location


class Page:
    """An answer; redirects are not followed."""

    def __init__(self, status: int, headers, body: str) -> None:
        self.status, self.headers, self.body = status, headers, body
        self.location = headers.get("Location", "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Browser:
    """Cookies and requests."""

    def __init__(self, world: World) -> None:
        trust = ssl.create_default_context(cafile=str(world.certificate))
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust),
            urllib.request.HTTPCookieProcessor(jar), _NoRedirect())
        # What asks for no page is answered 401 by mod_auth_openidc, and not sent to sign in.
        self.opener.addheaders = [("Accept", "text/html"), ("User-Agent", "peers")]

    def get(self, url: str) -> Page:
        return self._send(urllib.request.Request(url))

    def post_json(self, url: str, body: dict) -> Page:
        data = json.dumps(body).encode()
        page = self._send(urllib.request.Request(url, data, {"Content-Type": "application/json"}))
        if page.status != 200:
            raise RuntimeError(f"{url}: {page.status} {page.body}")
        return page

    def _send(self, request: urllib.request.Request) -> Page:
        try:
            with self.opener.open(request, timeout=60) as answer:
                return Page(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as answer:
            return Page(answer.code, answer.headers, answer.read().decode())


def parameters(address: str) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
