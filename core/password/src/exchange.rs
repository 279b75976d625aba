//! OPAQUE with P-256, SHA-256 and Argon2id (19 MiB, 2 passes, 1 lane: the least that OWASP advises, and what a phone's
//! browser does in half a second). The stretching is the browser's; the server's side is the same as a PIN's.

use opaque_ke_browser::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse, TripleDh,
};
use sha2_010::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// The configuration.
struct Password;

impl CipherSuite for Password {
    type OprfCs = p256_013_browser::NistP256;
    type KeyExchange = TripleDh<p256_013_browser::NistP256, Sha256>;
    type Ksf = opaque_ke_browser::argon2::Argon2<'static>;
}

/// A message is none, or the password is wrong: a page cannot tell, and need not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

/// Fresh randomness of one exchange, from the browser's generator; bytes are drawn from it by counting and hashing.
pub struct Seed {
    secret: Zeroizing<[u8; 32]>,
    drawn: u64,
}

impl Seed {
    /// From 32 random bytes, which are never used twice.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret: Zeroizing::new(secret), drawn: 0 }
    }
}

impl rand_core_06::RngCore for Seed {
    fn next_u32(&mut self) -> u32 {
        rand_core_06::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core_06::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(b"godkend/1/browser-random");
            hash.update(*self.secret);
            hash.update(self.drawn.to_be_bytes());
            self.drawn = self.drawn.wrapping_add(1);
            let mut block = hash.finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
            block.as_mut_slice().zeroize();
        }
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Seed {}

/// Choosing a password, between its two messages.
pub struct Choosing {
    state: ClientRegistration<Password>,
    password: Zeroizing<Vec<u8>>,
    seed: Seed,
}

impl Choosing {
    /// Starts: the registration request (33 bytes).
    ///
    /// # Errors
    /// [`Refused`], with negligible probability.
    pub fn start(mut seed: Seed, password: &[u8]) -> Result<(Self, Vec<u8>), Refused> {
        let started = ClientRegistration::start(&mut seed, password).map_err(|_| Refused)?;
        let message = started.message.serialize().to_vec();
        Ok((Self { state: started.state, password: Zeroizing::new(password.to_vec()), seed }, message))
    }

    /// Finishes with the server's response: the record to upload. Takes the time of the stretching.
    ///
    /// # Errors
    /// [`Refused`] for a response that is none.
    pub fn finish(mut self, response: &[u8]) -> Result<Vec<u8>, Refused> {
        let response = RegistrationResponse::deserialize(response).map_err(|_| Refused)?;
        let parameters = ClientRegistrationFinishParameters::default();
        let finished = self.state.finish(&mut self.seed, &self.password, response, parameters).map_err(|_| Refused)?;
        Ok(finished.message.serialize().to_vec())
    }
}

/// Using a password, between its two messages.
pub struct Using {
    state: ClientLogin<Password>,
    password: Zeroizing<Vec<u8>>,
    seed: Seed,
}

impl Using {
    /// Starts: KE1 (98 bytes).
    ///
    /// # Errors
    /// [`Refused`], with negligible probability.
    pub fn start(mut seed: Seed, password: &[u8]) -> Result<(Self, Vec<u8>), Refused> {
        let started = ClientLogin::start(&mut seed, password).map_err(|_| Refused)?;
        let message = started.message.serialize().to_vec();
        Ok((Self { state: started.state, password: Zeroizing::new(password.to_vec()), seed }, message))
    }

    /// Finishes with KE2: KE3 (32 bytes). `context` binds it to the login, as the page was told. Takes the time of the
    /// stretching.
    ///
    /// # Errors
    /// [`Refused`] if the password is wrong, or whatever else went with KE1.
    pub fn finish(mut self, ke2: &[u8], context: &[u8]) -> Result<Vec<u8>, Refused> {
        let ke2 = CredentialResponse::deserialize(ke2).map_err(|_| Refused)?;
        let parameters = ClientLoginFinishParameters::new(Some(context), Identifiers::default(), None);
        let finished = self.state.finish(&mut self.seed, &self.password, ke2, parameters).map_err(|_| Refused)?;
        Ok(finished.message.serialize().to_vec())
    }
}
