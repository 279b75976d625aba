"""Debian's mod_auth_openidc in a real Apache: a folder that only a person at the wanted level reads."""

import os
import subprocess
import time
from pathlib import Path

from world import Browser, World

MODULES = Path("/usr/lib/apache2/modules")
CONFIGURATION = """\
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/apache.pid"
ErrorLog "{folder}/error.log"
LogLevel warn auth_openidc:info
DocumentRoot "{folder}/htdocs"
{user}
{modules}
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCCABundlePath "{certificate}"
OIDCClientID apache
OIDCClientSecret {secret}
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI {apache}/protected/back
OIDCCryptoPassphrase {secret}
OIDCScope openid
OIDCPKCEMethod S256
OIDCIDTokenSignedResponseAlg ES256
OIDCAuthRequestParams acr_values=https%3A%2F%2Fdata.gov.dk%2Fconcept%2Fcore%2Fnsis%2FSubstantial
OIDCRemoteUserClaim mitid.identity_name
<Directory "{folder}/htdocs">
  Require all granted
</Directory>
<Location "/protected/">
  AuthType openid-connect
  Require claim idp:mitid
  Header set X-Person "expr=%{{REMOTE_USER}}"
</Location>
<Location "/protected/nobody/">
  AuthType openid-connect
  Require claim acr:nothing
</Location>
"""


def _start(world: World) -> subprocess.Popen:
    folder = world.folder / "apache"
    for name in ("protected", "protected/nobody"):
        (folder / "htdocs" / name).mkdir(parents=True, exist_ok=True)
        (folder / "htdocs" / name / "letter.txt").write_text("Kære Anna")
    names = ["mpm_event", "authn_core", "authz_core", "authz_user", "headers", "auth_openidc"]
    files = {name: MODULES / f"mod_{name}.so" for name in names}
    modules = "\n".join(f'LoadModule {name}_module "{path}"' for name, path in files.items())
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    (folder / "apache.conf").write_text(CONFIGURATION.format(
        folder=folder, port=world.apache.rsplit(":", 1)[1], modules=modules, issuer=world.url,
        certificate=world.certificate, secret=world.secret, apache=world.apache, user=user))
    if user:
        # Its workers are not root: they read the page and the authority's certificate.
        for path in [world.folder, world.home, world.server_folder, world.server_folder / "data", folder]:
            path.chmod(0o755)
        world.certificate.chmod(0o644)
    return subprocess.Popen(
        ["/usr/sbin/apache2", "-f", str(folder / "apache.conf"), "-DFOREGROUND"], stderr=subprocess.PIPE, text=True)


def protects_a_folder(world: World) -> None:
    process = _start(world)
    try:
        _protects(world, process)
    except Exception as error:
        log = world.folder / "apache" / "error.log"
        raise RuntimeError(log.read_text() if log.exists() else "Apache has written no log") from error
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


def _protects(world: World, process: subprocess.Popen) -> None:
    browser = Browser(world)
    letter = f"{world.apache}/protected/letter.txt"
    for _ in range(200):
        try:
            page = browser.get(letter)
            break
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(process.stderr.read()) from None
            time.sleep(0.1)
    else:
        raise RuntimeError("Apache does not answer")
    assert page.status == 302 and page.location.startswith(f"{world.url}/authorize?"), (page.status, page.location)
    back = browser.get(world.sign_in(browser, page.location))
    assert (back.status, back.location) == (302, letter), (back.status, back.location, back.body)
    read = browser.get(letter)
    assert (read.status, read.body) == (200, "Kære Anna"), (read.status, read.body)
    assert read.headers["X-Person"].startswith("Anna Peersen"), read.headers["X-Person"]
    forbidden = browser.get(f"{world.apache}/protected/nobody/letter.txt")
    assert forbidden.status in (401, 403), forbidden.status


TESTS = [protects_a_folder]
