//! The port to a key store. A shell implements [`HardwareKeys`] on its phone's hardware; desktops and tests use
//! [`crate::software_keys::SoftwareKeys`].

use async_trait::async_trait;
pub use godkend_core::{CreatedKey, KeyAlias, KeyFailure, KeyPolicy, KeyReply, KeyRequest, SecretBytes32};
use godkend_protocol::bytes::{PublicKey, Signature};

/// What a phone's hardware does for the core: one method for each thing, so that an implementer writes each beside
/// the platform call that it stands for.
///
/// The methods are never called while a lock of this crate is held. `prompt` is the text of the system's biometric
/// prompt; it is there whenever the key asks for biometrics. Every method may take as long as a person needs.
#[async_trait]
pub trait HardwareKeys: Send + Sync {
    /// Creates a key under exactly this policy, replacing one that has the alias. Durable before it returns.
    ///
    /// # Errors
    /// [`KeyFailure::Unsupported`] if the hardware cannot meet the policy; a weaker key is never made instead.
    async fn create(&self, alias: KeyAlias, policy: KeyPolicy) -> Result<CreatedKey, KeyFailure>;

    /// ECDSA over SHA-256 of `message`: raw `r || s`, with either `s`.
    ///
    /// # Errors
    /// [`KeyFailure`].
    async fn sign(&self, alias: KeyAlias, message: Vec<u8>, prompt: Option<String>) -> Result<Signature, KeyFailure>;

    /// A keyed function of 32 bytes, the same for the key's life (HMAC-SHA-256 where there is one).
    ///
    /// # Errors
    /// [`KeyFailure`].
    async fn derive(&self, alias: KeyAlias, input: SecretBytes32) -> Result<SecretBytes32, KeyFailure>;

    /// ECDH: the shared x-coordinate.
    ///
    /// # Errors
    /// [`KeyFailure`]; [`KeyFailure::Unsupported`] where the hardware cannot agree, and for what is no point of P-256.
    async fn agree(
        &self,
        alias: KeyAlias,
        point: PublicKey,
        prompt: Option<String>,
    ) -> Result<SecretBytes32, KeyFailure>;

    /// Removes keys. One that is not there is no error.
    ///
    /// # Errors
    /// [`KeyFailure::Failed`].
    async fn delete(&self, aliases: Vec<KeyAlias>) -> Result<(), KeyFailure>;

    /// Every key of this app's that the store holds, so that orphans of a killed activation can be removed.
    ///
    /// # Errors
    /// [`KeyFailure::Failed`].
    async fn aliases(&self) -> Result<Vec<KeyAlias>, KeyFailure>;

    /// Answers a request of the core's with the method of its kind.
    ///
    /// # Errors
    /// [`KeyFailure`].
    async fn handle(&self, request: KeyRequest) -> Result<KeyReply, KeyFailure> {
        Ok(match request {
            KeyRequest::Create { alias, policy } => KeyReply::Created(self.create(alias, policy).await?),
            KeyRequest::Sign { alias, message, prompt } => KeyReply::Signed(self.sign(alias, message, prompt).await?),
            KeyRequest::Derive { alias, input } => KeyReply::Derived(self.derive(alias, input).await?),
            KeyRequest::Agree { alias, point, prompt } => KeyReply::Agreed(self.agree(alias, point, prompt).await?),
            KeyRequest::Delete { aliases } => {
                self.delete(aliases).await?;
                KeyReply::Deleted
            }
        })
    }
}
