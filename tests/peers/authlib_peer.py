"""Authlib of PyPI: the code flow with PKCE, the ID token's verification, and userinfo."""

import secrets

from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.oidc.core import CodeIDToken
from world import Browser, World

LEVEL = "https://data.gov.dk/concept/core/nsis/Substantial"


def signs_in_with_a_code(world: World) -> None:
    session = OAuth2Session(
        "authlib", world.secret, scope="openid", redirect_uri="http://127.0.0.1:1/authlib", code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic")
    session.trust_env = False
    session.verify = str(world.certificate)
    described = session.get(f"{world.url}/.well-known/openid-configuration", withhold_token=True).json()
    nonce, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    address, state = session.create_authorization_url(
        described["authorization_endpoint"], nonce=nonce, code_verifier=verifier, acr_values=LEVEL)
    callback = world.sign_in(Browser(world), address)
    tokens = session.fetch_token(
        described["token_endpoint"], authorization_response=callback, state=state, code_verifier=verifier)
    keys = JsonWebKey.import_key_set(session.get(described["jwks_uri"], withhold_token=True).json())
    claims = JsonWebToken(["ES256"]).decode(
        tokens["id_token"], keys, claims_cls=CodeIDToken,
        claims_options={"iss": {"essential": True, "value": world.url}, "aud": {"essential": True, "value": "authlib"}},
        claims_params={"nonce": nonce, "client_id": "authlib", "access_token": tokens["access_token"]})
    claims.validate()
    assert claims["acr"].startswith("https://data.gov.dk/concept/core/nsis/"), claims
    assert claims["mitid.identity_name"] == "Anna Peersen", claims
    told = session.get(described["userinfo_endpoint"]).json()
    assert told["sub"] == claims["sub"], told


TESTS = [signs_in_with_a_code]
