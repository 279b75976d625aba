// A relying party on openid-client; reads commands and writes answers, a line of JSON each.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const [issuer, secret, userId] = process.argv.slice(2)
const config = await client.discovery(
  new URL(issuer),
  'openid-client',
  { client_secret: secret, id_token_signed_response_alg: 'ES256' },
  client.ClientSecretBasic(secret),
)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
const redirect_uri = 'http://127.0.0.1:1/openid-client'
let pending, tokens, request

const told = async () => {
  const claims = tokens.claims()
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub, { DPoP })
  return { token_type: tokens.token_type, claims, userinfo }
}

const commands = {
  async begin({ prompt }) {
    pending = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
      idTokenExpected: true,
    }
    const parameters = {
      redirect_uri,
      scope: 'openid',
      state: pending.expectedState,
      nonce: pending.expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pending.pkceCodeVerifier),
      code_challenge_method: 'S256',
      acr_values: 'https://data.gov.dk/concept/core/nsis/Substantial',
      ...(prompt && { prompt }),
    }
    return { url: (await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })).href }
  },
  async finish({ callback }) {
    tokens = await client.authorizationCodeGrant(config, new URL(callback), pending, undefined, { DPoP })
    return told()
  },
  async logout() {
    const parameters = {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: 'http://127.0.0.1:1/bye',
      state: 'bye',
    }
    return { url: client.buildEndSessionUrl(config, parameters).href }
  },
  async ciba() {
    request = await client.initiateBackchannelAuthentication(config, {
      scope: 'openid',
      login_hint: userId,
      binding_message: 'W4SCT',
    })
    return { number: request.number }
  },
  async poll() {
    tokens = await client.pollBackchannelAuthenticationGrant(config, request, undefined, { DPoP })
    return told()
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line)
  let answer
  try {
    answer = await commands[command](rest)
  } catch (error) {
    answer = { failed: `${command}: ${error} ${JSON.stringify(error.cause ?? '')}` }
  }
  console.log(JSON.stringify(answer))
}
