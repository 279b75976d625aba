//! Counts what the audit log takes in, for the metrics: once for each entry, whatever was retried on the way to it.

use std::sync::Arc;

use godkend_protocol::messages::device::DeviceState;
use godkend_protocol::types::Decision;

use crate::app::App;
use crate::audit::AuditEntry;
use crate::ops::metrics::{Event, Metrics};

/// Follows the log from where it is now until the server stops.
pub(super) async fn run(app: Arc<App>, metrics: Metrics) {
    let log = app.log.log().clone();
    let (mut stopping, mut grown) = (app.stopping.clone(), log.subscribe());
    let mut counted = log.size();
    loop {
        tokio::select! {
            () = stopping.wait() => return,
            changed = grown.changed() => if changed.is_err() { return },
        }
        let mut read = 0;
        for entry in log.iter_from(counted) {
            read += 1;
            let content = entry.ok().and_then(|entry| entry.content);
            let entry = content.and_then(|content| serde_json::from_slice(&content.entry).ok());
            if let Some(event) = entry.as_ref().and_then(event) {
                metrics.event(event);
            }
        }
        counted += read;
    }
}

const fn event(entry: &AuditEntry) -> Option<Event> {
    Some(match entry {
        AuditEntry::EnrolmentOpened { .. } => Event::ActivationHandedOut,
        AuditEntry::DeviceEnrolled { .. } => Event::DeviceEnrolled,
        AuditEntry::Decided { decision: Decision::Approve, .. } => Event::ApprovalApproved,
        AuditEntry::Decided { decision: Decision::Deny, .. } => Event::ApprovalDenied,
        AuditEntry::Decided { decision: Decision::ReportFraud, .. } => Event::ApprovalReported,
        AuditEntry::PinDebited { .. } => Event::PinDebited,
        AuditEntry::PinCleared { .. } => Event::PinCleared,
        AuditEntry::DeviceChanged { state: DeviceState::Active, .. } => Event::DeviceActivated,
        AuditEntry::DeviceChanged { state: DeviceState::Blocked, .. } => Event::DeviceBlocked,
        AuditEntry::DeviceChanged { state: DeviceState::Frozen, .. } => Event::DeviceFrozen,
        AuditEntry::DeviceChanged { state: DeviceState::Removed, .. } => Event::DeviceRemoved,
        AuditEntry::BrowserRevoked { .. } => Event::BrowserRevoked,
        AuditEntry::OfflineTried { .. } => Event::OfflineCodeWrong,
        _ => return None,
    })
}
