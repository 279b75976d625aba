//! OPAQUE (RFC 9807) on P-256 with SHA-256: the PIN is never sent, never stored, and the phone learns whether it was
//! right only from a reply that cost a try.
//!
//! The password that goes in is already the output of the phone's hardware ([`pin_input`] through the pepper key), so
//! no stretching is added: each guess needs that hardware.

use opaque_ke::{
    CipherSuite, ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialFinalization, CredentialRequest, CredentialResponse, RegistrationRequest, RegistrationResponse,
    RegistrationUpload, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use zeroize::Zeroizing;

use crate::bytes::{Blob, Hash32, Id, Secret};
use crate::crypto;

/// The configuration: OPRF(P-256, SHA-256), 3DH on P-256, identity stretching.
struct Pin;

impl CipherSuite for Pin {
    type OprfCs = p256_013::NistP256;
    type KeyExchange = opaque_ke::TripleDh<p256_013::NistP256, sha2_010::Sha256>;
    type Ksf = opaque_ke::ksf::Identity;
}

/// Bytes of a registration request.
pub const REGISTRATION_REQUEST_LEN: usize = 33;
/// Bytes of KE1.
pub const KE1_LEN: usize = 98;
/// Bytes of KE3.
pub const KE3_LEN: usize = 32;

/// Why an exchange did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpaqueError {
    /// A message is no message: wrong length, off the curve, the identity.
    #[error("the OPAQUE message is not valid")]
    Malformed,
    /// The PIN is wrong, or context or server are not the expected ones.
    #[error("the PIN was not accepted")]
    Refused,
}

/// What the pepper key is applied to: `SHA-256(label, environment, account, device, PIN)`.
#[must_use]
pub fn pin_input(environment: &str, account: &Id, device: &Id, pin: &str) -> Secret<32> {
    Secret(crypto::labelled_hash("godkend/1/pin", &[environment.as_bytes(), &account.0, &device.0, pin.as_bytes()]).0)
}

/// The private `pin` key, derived from OPAQUE's export key.
#[must_use]
pub fn pin_key(export_key: &Secret<32>) -> Secret<32> {
    crypto::p256_from_seed(&export_key.0, "godkend/1/pin-key")
}

/// The phone's side of a registration, between its two messages. Never persisted.
pub struct Registering {
    state: ClientRegistration<Pin>,
    password: Secret<32>,
}

impl core::fmt::Debug for Registering {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Registering([redacted])")
    }
}

/// What a finished registration leaves on the phone: the upload, and the key that dies with the enrolment.
#[derive(Debug)]
pub struct Registered {
    /// The record, for the server.
    pub upload: Blob,
    /// OPAQUE's export key.
    pub export_key: Secret<32>,
}

impl Registering {
    /// Starts; returns the registration request (33 bytes).
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`], with negligible probability.
    pub fn start(rng: &mut dyn rand_core::CryptoRng, password: Secret<32>) -> Result<(Self, Blob), OpaqueError> {
        let started =
            ClientRegistration::<Pin>::start(&mut Rng06(rng), &password.0).map_err(|_| OpaqueError::Malformed)?;
        let message = Blob(started.message.serialize().to_vec());
        Ok((Self { state: started.state, password }, message))
    }

    /// Finishes with the server's response.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`] if the response is not valid.
    pub fn finish(self, rng: &mut dyn rand_core::CryptoRng, response: &[u8]) -> Result<Registered, OpaqueError> {
        let response = read(response, RegistrationResponse::<Pin>::deserialize, |m| m.serialize().to_vec())?;
        let finished = self
            .state
            .finish(&mut Rng06(rng), &self.password.0, response, ClientRegistrationFinishParameters::default())
            .map_err(|_| OpaqueError::Malformed)?;
        Ok(Registered {
            upload: Blob(finished.message.serialize().to_vec()),
            export_key: Secret::from_slice(&finished.export_key).ok_or(OpaqueError::Malformed)?,
        })
    }
}

/// The phone's side of one try, between KE1 and KE3. Never persisted: a kill in between costs the try.
pub struct Trying {
    state: ClientLogin<Pin>,
    password: Secret<32>,
}

impl core::fmt::Debug for Trying {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Trying([redacted])")
    }
}

/// A right PIN.
#[derive(Debug)]
pub struct Proved {
    /// KE3, for the server.
    pub ke3: Blob,
    /// OPAQUE's export key: seeds the `pin` key.
    pub export_key: Secret<32>,
}

impl Trying {
    /// Starts; returns KE1 (98 bytes).
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`], with negligible probability.
    pub fn start(rng: &mut dyn rand_core::CryptoRng, password: Secret<32>) -> Result<(Self, Blob), OpaqueError> {
        let started = ClientLogin::<Pin>::start(&mut Rng06(rng), &password.0).map_err(|_| OpaqueError::Malformed)?;
        let message = Blob(started.message.serialize().to_vec());
        Ok((Self { state: started.state, password }, message))
    }

    /// Finishes with KE2; `context` is the challenge hash.
    ///
    /// # Errors
    /// [`OpaqueError::Refused`] for a wrong PIN, [`OpaqueError::Malformed`] for a KE2 that is none.
    pub fn finish(
        self,
        rng: &mut dyn rand_core::CryptoRng,
        ke2: &[u8],
        context: &Hash32,
    ) -> Result<Proved, OpaqueError> {
        let ke2 = read(ke2, CredentialResponse::<Pin>::deserialize, |m| m.serialize().to_vec())?;
        let finished = self
            .state
            .finish(
                &mut Rng06(rng),
                &self.password.0,
                ke2,
                ClientLoginFinishParameters::new(Some(&context.0), opaque_ke::Identifiers::default(), None),
            )
            .map_err(|_| OpaqueError::Refused)?;
        Ok(Proved {
            ke3: Blob(finished.message.serialize().to_vec()),
            export_key: Secret::from_slice(&finished.export_key).ok_or(OpaqueError::Malformed)?,
        })
    }
}

/// The server's lasting secrets: an OPRF seed and a key pair. Lives outside the database.
pub struct ServerSecrets(ServerSetup<Pin>);

impl core::fmt::Debug for ServerSecrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ServerSecrets([redacted])")
    }
}

/// What the server keeps between KE2 and KE3.
#[derive(Clone, Debug)]
pub struct StartedTry {
    /// KE2 for the phone.
    pub ke2: Blob,
    /// The state, to be kept with the challenge hash that it was started with.
    pub state: Secret<64>,
}

impl ServerSecrets {
    /// Draws new secrets.
    pub fn generate(rng: &mut dyn rand_core::CryptoRng) -> Self {
        Self(ServerSetup::new(&mut Rng06(rng)))
    }

    /// The secrets' bytes, for a file that only the server reads.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize().to_vec())
    }

    /// Reads [`Self::to_bytes`].
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpaqueError> {
        ServerSetup::deserialize(bytes).map(Self).map_err(|_| OpaqueError::Malformed)
    }

    /// Answers a registration request. The credential identifier is never the same for two registrations of one device:
    /// a registration evaluates the same function as a try, without a debit.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn register(&self, request: &[u8], credential: &Id) -> Result<Blob, OpaqueError> {
        let request = read(request, RegistrationRequest::<Pin>::deserialize, |m| m.serialize().to_vec())?;
        let started =
            ServerRegistration::<Pin>::start(&self.0, request, &credential.0).map_err(|_| OpaqueError::Malformed)?;
        Ok(Blob(started.message.serialize().to_vec()))
    }

    /// Answers KE1. The caller has debited the try, durably.
    ///
    /// # Errors
    /// [`OpaqueError::Malformed`].
    pub fn start_try(
        &self,
        rng: &mut dyn rand_core::CryptoRng,
        record: &[u8],
        ke1: &[u8],
        credential: &Id,
        context: &Hash32,
    ) -> Result<StartedTry, OpaqueError> {
        crate::tally::OPAQUE_STARTS.add(1);
        let record = read(record, ServerRegistration::<Pin>::deserialize, |m| m.serialize().to_vec())?;
        let ke1 = read(ke1, CredentialRequest::<Pin>::deserialize, |m| m.serialize().to_vec())?;
        let started = ServerLogin::start(
            &mut Rng06(rng),
            &self.0,
            Some(record),
            ke1,
            &credential.0,
            ServerLoginParameters { context: Some(&context.0), identifiers: opaque_ke::Identifiers::default() },
        )
        .map_err(|_| OpaqueError::Malformed)?;
        Ok(StartedTry {
            ke2: Blob(started.message.serialize().to_vec()),
            state: Secret::from_slice(&started.state.serialize()).ok_or(OpaqueError::Malformed)?,
        })
    }
}

/// Checks a registration upload and turns it into the record to store (129 bytes).
///
/// # Errors
/// [`OpaqueError::Malformed`].
pub fn finish_registration(upload: &[u8]) -> Result<Blob, OpaqueError> {
    let upload = read(upload, RegistrationUpload::<Pin>::deserialize, |m| m.serialize().to_vec())?;
    Ok(Blob(ServerRegistration::finish(upload).serialize().to_vec()))
}

/// Checks KE3 against the state of its try. The library binds the context at the start, so the caller compares the
/// challenge hash that it kept beside the state.
///
/// # Errors
/// [`OpaqueError::Refused`] if the PIN was wrong, [`OpaqueError::Malformed`] if KE3 is none.
pub fn finish_try(state: &Secret<64>, ke3: &[u8]) -> Result<(), OpaqueError> {
    let state = ServerLogin::<Pin>::deserialize(&state.0).map_err(|_| OpaqueError::Malformed)?;
    let ke3 = read(ke3, CredentialFinalization::<Pin>::deserialize, |m| m.serialize().to_vec())?;
    state
        .finish(ke3, ServerLoginParameters { context: None, identifiers: opaque_ke::Identifiers::default() })
        .map(|_| ())
        .map_err(|_| OpaqueError::Refused)
}

/// Takes a message in its one spelling only: the library also reads compact points (tag 5) and leaves trailing bytes
/// unread.
fn read<M, E>(
    bytes: &[u8],
    parse: impl FnOnce(&[u8]) -> Result<M, E>,
    write: impl FnOnce(&M) -> Vec<u8>,
) -> Result<M, OpaqueError> {
    let message = parse(bytes).map_err(|_| OpaqueError::Malformed)?;
    if write(&message) == bytes { Ok(message) } else { Err(OpaqueError::Malformed) }
}

/// opaque-ke is built on the generator traits of an earlier generation.
struct Rng06<'a>(&'a mut dyn rand_core::CryptoRng);

impl rand_core_06::RngCore for Rng06<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for Rng06<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter, hashed: enough for keys that nobody else uses.
    struct Counter(u64);

    impl rand_core::TryRng for Counter {
        type Error = core::convert::Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_be_bytes(bytes))
        }
        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_be_bytes(bytes))
        }
        fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
            for chunk in to.chunks_mut(32) {
                self.0 += 1;
                chunk.copy_from_slice(&crypto::sha256(&[b"counter", &self.0.to_be_bytes()]).0[..chunk.len()]);
            }
            Ok(())
        }
    }

    impl rand_core::TryCryptoRng for Counter {}

    const DEVICE: Id = crate::bytes::Fixed([3; 16]);
    const CONTEXT: Hash32 = crate::bytes::Fixed([4; 32]);

    fn enrolled(rng: &mut Counter) -> (ServerSecrets, Blob, Secret<32>) {
        let server = ServerSecrets::generate(rng);
        let (registering, request) = Registering::start(rng, Secret([1; 32])).unwrap();
        assert_eq!(request.0.len(), REGISTRATION_REQUEST_LEN);
        let response = server.register(&request.0, &DEVICE).unwrap();
        let registered = registering.finish(rng, &response.0).unwrap();
        (server, finish_registration(&registered.upload.0).unwrap(), registered.export_key)
    }

    #[test]
    fn the_right_pin_proves_itself_and_a_wrong_one_does_not() {
        let rng = &mut Counter(0);
        let (server, record, export_key) = enrolled(rng);
        let server = ServerSecrets::from_bytes(&server.to_bytes()).unwrap();
        let (trying, ke1) = Trying::start(rng, Secret([1; 32])).unwrap();
        let started = server.start_try(rng, &record.0, &ke1.0, &DEVICE, &CONTEXT).unwrap();
        let proved = trying.finish(rng, &started.ke2.0, &CONTEXT).unwrap();
        assert_eq!((ke1.0.len(), started.ke2.0.len(), proved.ke3.0.len()), (KE1_LEN, 259, KE3_LEN));
        assert_eq!(proved.export_key, export_key);
        finish_try(&started.state, &proved.ke3.0).unwrap();
        for bit in 0..proved.ke3.0.len() * 8 {
            let mut changed = proved.ke3.0.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(finish_try(&started.state, &changed), Err(OpaqueError::Refused));
        }
        let (wrong, ke1) = Trying::start(rng, Secret([2; 32])).unwrap();
        let started = server.start_try(rng, &record.0, &ke1.0, &DEVICE, &CONTEXT).unwrap();
        assert_eq!(wrong.finish(rng, &started.ke2.0, &CONTEXT).unwrap_err(), OpaqueError::Refused);
        assert_eq!(finish_try(&started.state, &proved.ke3.0), Err(OpaqueError::Refused), "an old KE3");
    }

    /// A point has one spelling: the library under OPAQUE also reads compact points (tag 5), and the identity as a
    /// single zero.
    #[test]
    fn points_in_other_spellings_are_refused() {
        let rng = &mut Counter(10);
        let (server, record, _) = enrolled(rng);
        let odd = |message: &[u8], at: usize| {
            let mut all = Vec::new();
            for tag in [0, 1, 4, 5, 6, 7, 8, 0x82, 0xff] {
                let mut changed = message.to_vec();
                changed[at] = tag;
                all.push(changed);
            }
            let mut identity = message.to_vec();
            identity[at..at + 33].fill(0);
            all.push(identity);
            let mut beyond = message.to_vec();
            beyond[at + 1..at + 33].fill(0xff);
            all.push(beyond);
            all
        };
        // Both even and odd points: a compact one stands for one of the two.
        for _ in 0..3 {
            let (registering, request) = Registering::start(rng, Secret([1; 32])).unwrap();
            let response = server.register(&request.0, &DEVICE).unwrap();
            for changed in odd(&request.0, 0) {
                assert_eq!(
                    server.register(&changed, &DEVICE).unwrap_err(),
                    OpaqueError::Malformed,
                    "{:02x}",
                    changed[0]
                );
            }
            for changed in [odd(&response.0, 0), odd(&response.0, 33)].concat() {
                let (registering, _) = Registering::start(rng, Secret([1; 32])).unwrap();
                assert_eq!(registering.finish(rng, &changed).unwrap_err(), OpaqueError::Malformed);
            }
            let upload = registering.finish(rng, &response.0).unwrap().upload;
            for changed in odd(&upload.0, 0) {
                assert_eq!(finish_registration(&changed).unwrap_err(), OpaqueError::Malformed);
            }
            let (trying, ke1) = Trying::start(rng, Secret([1; 32])).unwrap();
            for changed in [odd(&ke1.0, 0), odd(&ke1.0, 65)].concat() {
                let refused = server.start_try(rng, &record.0, &changed, &DEVICE, &CONTEXT).unwrap_err();
                assert_eq!(refused, OpaqueError::Malformed);
            }
            let ke2 = server.start_try(rng, &record.0, &ke1.0, &DEVICE, &CONTEXT).unwrap().ke2;
            for changed in [odd(&ke2.0, 0), odd(&ke2.0, 194)].concat() {
                let (trying, _) = Trying::start(rng, Secret([1; 32])).unwrap();
                assert_eq!(trying.finish(rng, &changed, &CONTEXT).unwrap_err(), OpaqueError::Malformed);
            }
            trying.finish(rng, &ke2.0, &CONTEXT).unwrap();
        }
    }

    #[test]
    fn messages_of_another_length_are_refused() {
        let rng = &mut Counter(20);
        let (server, record, _) = enrolled(rng);
        let (_, request) = Registering::start(rng, Secret([1; 32])).unwrap();
        let (_, ke1) = Trying::start(rng, Secret([1; 32])).unwrap();
        let longer = |bytes: &[u8]| [bytes, &[0]].concat();
        for length in 0..request.0.len() {
            assert!(server.register(&request.0[..length], &DEVICE).is_err());
        }
        assert!(server.register(&longer(&request.0), &DEVICE).is_err());
        for length in 0..ke1.0.len() {
            assert!(server.start_try(rng, &record.0, &ke1.0[..length], &DEVICE, &CONTEXT).is_err());
        }
        assert!(server.start_try(rng, &record.0, &longer(&ke1.0), &DEVICE, &CONTEXT).is_err());
        for length in 0..record.0.len() {
            assert!(finish_registration(&record.0[..length]).is_err());
            assert!(server.start_try(rng, &record.0[..length], &ke1.0, &DEVICE, &CONTEXT).is_err());
        }
        assert!(finish_registration(&longer(&record.0)).is_err());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let rng = &mut Counter(30);
        let (server, _, _) = enrolled(rng);
        let (registering, _) = Registering::start(rng, Secret([1; 32])).unwrap();
        let (trying, _) = Trying::start(rng, Secret([1; 32])).unwrap();
        assert_eq!(
            format!("{server:?} {registering:?} {trying:?}"),
            "ServerSecrets([redacted]) Registering([redacted]) Trying([redacted])"
        );
    }
}
