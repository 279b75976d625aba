//! One-time codes that a desk or the app's approval hands out, with which a person makes a means their own.

use godkend_protocol::bytes::Id;
use godkend_protocol::codes::Code;
use godkend_protocol::formats::block_code::BlockCode;

use super::records::{ChipCode, PasswordCode};
use crate::app::App;
use crate::docs;
use crate::error::ApiError;
use crate::records::{Account, Document, Entry};

/// Seconds that a code is good.
pub const CODE_SECONDS: i64 = 600;
/// Wrong codes of one source in a minute.
const CODES_PER_MINUTE: u32 = 5;

/// A code's document, whose id is the code's hash.
pub(super) trait OneTime: Document {
    /// The refusal of a wrong one.
    const WRONG: Code;
    /// Whose it is.
    fn account(&self) -> &Id;
    /// Who opened it.
    fn by(&self) -> &str;
}

impl OneTime for PasswordCode {
    const WRONG: Code = Code::PasswordCodeWrong;

    fn account(&self) -> &Id {
        &self.account
    }

    fn by(&self) -> &str {
        &self.by
    }
}

impl OneTime for ChipCode {
    const WRONG: Code = Code::ChipCodeWrong;

    fn account(&self) -> &Id {
        &self.account
    }

    fn by(&self) -> &str {
        &self.by
    }
}

/// What was handed out under a code. Wrong ones fall on their source.
pub(super) async fn opened<D: OneTime>(app: &App, code: &str, source: &str) -> Result<(Entry<D>, Account), ApiError> {
    let now_ms = app.clock.now_ms();
    app.throttle.check(D::KIND.0, source, CODES_PER_MINUTE, now_ms)?;
    let wrong = || match app.throttle.take(D::KIND.0, source, CODES_PER_MINUTE, now_ms) {
        Ok(()) => ApiError::from(D::WRONG),
        Err(throttled) => throttled,
    };
    let code = BlockCode::parse(code).ok_or_else(wrong)?;
    let opened = docs::get::<D>(&*app.store, &code.hash().0).await?;
    let opened = opened.filter(|opened| opened.doc.expires().is_none_or(|end| app.now() < end)).ok_or_else(wrong)?;
    let account = docs::get::<Account>(&*app.store, &opened.doc.account().0).await?.ok_or(Code::Internal)?.doc;
    if account.blocked {
        return Err(Code::IdentityBlocked.into());
    }
    // Opened in a login that its person has disputed; a desk saw them.
    let since = opened.doc.expires().map(|end| end.saturating_sub(CODE_SECONDS));
    if matches!(opened.doc.by(), "app" | "self") && since.is_some_and(|since| account.disputes(since)) {
        return Err(wrong());
    }
    Ok((opened, account))
}
