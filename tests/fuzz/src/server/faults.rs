//! Strangers on the wire, time, stops and restores.

use std::path::Path;

use axum::http::Method;

use super::Scene;
use crate::host::{self, Host};
use crate::input::Input;
use crate::mutate;

impl Scene {
    pub(super) async fn replay(&mut self, input: &mut Input<'_>) {
        if self.sent.is_empty() {
            return;
        }
        let (path, body) = self.sent[self.sent.len() - 1 - input.below(self.sent.len())].clone();
        let body = match input.below(3) {
            0 => body,
            1 => mutate::bytes(input, body),
            _ => mutate::cbor(input, &body).unwrap_or(body),
        };
        let path = if input.rarely(4) { self.sent[input.below(self.sent.len())].0 } else { path };
        let _ = self.phone(path, body).await;
    }

    pub(super) async fn raw(&mut self, input: &mut Input<'_>) {
        const PATHS: &[&str] = &[
            "/phone/v1/activation/open",
            "/phone/v1/activation/enrol",
            "/phone/v1/activation/status",
            "/phone/v1/answer",
            "/phone/v1/activation/digits",
            "/phone/v1/pin/register",
            "/phone/v1/pin/enrol",
            "/phone/v1/pin/start",
            "/phone/v1/pin/reset",
            "/phone/v1/poll/open",
            "/phone/v1/poll",
            "/phone/v1/challenge",
            "/phone/v1/manage",
            "/phone/v1/refuse",
            "/phone/v1/overview",
            "/phone/v1/block",
            "/phone/v1/keys",
            "/authorize",
            "/par",
            "/ciba",
            "/token",
            "/jwks",
            "/login/",
            "/block",
            "/health",
            "/ready",
            "/return/",
            "/admin/v1/citizens",
            "/admin/v1/clock",
            "/admin/v1/evidence/",
            "/admin/v1/users/",
            "/.well-known/openid-configuration",
            "/log/v1/checkpoint",
            "/log/v1/consistency",
        ];
        let mut path = (*input.pick(PATHS)).to_owned();
        if input.flag() {
            let tail: String = url::form_urlencoded::byte_serialize(input.chunk()).collect();
            path.push_str(if input.flag() { "?" } else { "" });
            path.push_str(&tail);
        }
        let method = if input.flag() { Method::POST } else { Method::GET };
        let mut headers = vec![(
            "content-type",
            (*input.pick(&["application/cbor", "application/json", "application/x-www-form-urlencoded", "text/plain"]))
                .to_owned(),
        )];
        if input.flag() {
            headers.push(("authorization", format!("Bearer {}", self.host().token)));
        } else if input.flag() {
            headers.push(host::basic());
        }
        if input.flag() {
            let header = *input.pick(&["cookie", "x-forwarded-for", "accept-language", "user-agent", "origin", "dpop"]);
            headers.push((header, input.text()));
        }
        // Time is the other step's.
        if path.starts_with("/admin/v1/clock") && method == Method::POST {
            return;
        }
        let body = input.chunk().to_vec();
        self.call(method, &path, &headers, body).await;
    }

    pub(super) async fn pass_time(&mut self, input: &mut Input<'_>) {
        let seconds = match input.below(8) {
            0..=2 => input.below(5) as i64,
            3 => 60,
            4 => 181,
            5 => 3_601,
            6 => 86_400,
            _ => -(input.below(120) as i64),
        };
        self.ahead_ms += seconds * 1000;
        self.host().app.clock.advance_ms(seconds * 1000);
        for person in &mut self.people {
            person.phone.now.wall += seconds;
            person.phone.now.monotonic_ms += u64::try_from(seconds * 1000).unwrap_or(0);
        }
    }

    pub(super) async fn restart(&mut self, input: &mut Input<'_>) {
        let data = self.host().app.config.data_dir();
        self.host.take().unwrap().close().await;
        let database = |name: &str| name.contains(".sqlite");
        match input.below(4) {
            // The operator copies the database away, or puts the copy back beside the living log.
            0 => {
                let copy = host::folder();
                move_files(&data, copy.path(), database);
                self.older = Some(copy);
            }
            1 => {
                if let Some(older) = &self.older {
                    for entry in std::fs::read_dir(&data).unwrap().flatten() {
                        if database(&entry.file_name().to_string_lossy()) {
                            std::fs::remove_file(entry.path()).unwrap();
                        }
                    }
                    move_files(older.path(), &data, database);
                    self.restored = true;
                }
            }
            _ => {}
        }
        self.host = Some(Host::open(self.dir.path(), self.ahead_ms).await);
        if self.restored {
            self.check_restored().await;
        }
    }
}

fn move_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        if wanted(&name.to_string_lossy()) {
            std::fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}
