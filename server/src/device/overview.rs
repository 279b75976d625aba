//! `overview`: the person's devices and remembered browsers.

use std::sync::Arc;

use godkend_protocol::bytes::Id;
use godkend_protocol::messages::device::{AskOverview, BrowserLine, DeviceLine, DeviceState, Overview};

use crate::activation::{all_of, state_now};
use crate::app::App;
use crate::error::ApiError;
use crate::phone::request::signed;
use crate::phone::{Call, reply};
use crate::records::{Browser, Device};

/// Remembered browsers that an overview lists: the last used ones.
const MOST_BROWSERS: usize = 256;

pub(super) async fn handle(app: Arc<App>, call: Call) -> Result<Vec<u8>, ApiError> {
    let caller = signed::<AskOverview>(&app, &call.bytes, |m| m.device).await?;
    let (devices, browsers) = lines(&app, &caller.account.doc.id).await?;
    let pin = caller.device.doc.pin.as_ref().map(|pin| crate::pin::status(pin, &app.config.pin, app.now()));
    Ok(reply(&Overview { devices, browsers, locked_push: caller.account.doc.locked_push, pin }))
}

/// A person's devices that are not removed, and the browsers that they used last.
pub(crate) async fn lines(app: &App, owner: &Id) -> Result<(Vec<DeviceLine>, Vec<BrowserLine>), ApiError> {
    let mut devices = Vec::new();
    for entry in all_of::<Device>(app, owner).await? {
        let state = state_now(app, &entry.doc).await?;
        if state != DeviceState::Removed {
            devices.push(line(&entry.doc, state));
        }
    }
    // A message has room for so many; those that are left out come up as these are forgotten.
    let mut browsers = all_of::<Browser>(app, owner).await?;
    browsers.sort_by_key(|browser| std::cmp::Reverse(browser.doc.last_used));
    browsers.truncate(MOST_BROWSERS);
    Ok((devices, browsers.into_iter().map(|entry| browser(entry.doc)).collect()))
}

fn line(device: &Device, state: DeviceState) -> DeviceLine {
    DeviceLine {
        id: device.id,
        model: device.info.model.clone(),
        platform: device.info.platform.clone(),
        state,
        enrolled: device.enrolled,
        last_used: device.last_used,
        keys: device.keys.iter().map(|key| key.purpose).collect(),
    }
}

fn browser(browser: Browser) -> BrowserLine {
    let Browser { id, name, remembered, last_used, .. } = browser;
    BrowserLine { id, name, remembered, last_used }
}
