//! What is wrong in `[push]`.

use url::Url;

use super::{Config, Finding};

impl Config {
    pub(super) fn check_push(&self, found: &mut Vec<Finding>) {
        let push = &self.push;
        for (setting, url) in [
            ("push.fcm_url", &push.fcm_url),
            ("push.apns_url", &push.apns_url),
            ("push.apns_sandbox_url", &push.apns_sandbox_url),
        ] {
            if !is_origin(url) {
                found.push(Finding::error(setting, "must be an https origin, without a path or a slash at its end"));
            }
        }
        let set = |path: &std::path::Path| !path.as_os_str().is_empty();
        let together: [(&str, &[(&str, bool)]); 3] = [
            ("FCM", &[("push.fcm_project", !push.fcm_project.is_empty()), ("push.fcm_key", set(&push.fcm_key))]),
            (
                "APNs",
                &[
                    ("push.apns_topic", !push.apns_topic.is_empty()),
                    ("push.apns_team", !push.apns_team.is_empty()),
                    ("push.apns_key_id", !push.apns_key_id.is_empty()),
                    ("push.apns_key", set(&push.apns_key)),
                ],
            ),
            (
                "Web Push",
                &[
                    ("push.web_push_hosts", !push.web_push_hosts.is_empty()),
                    ("push.web_push_key", set(&push.web_push_key)),
                    ("push.web_push_contact", !push.web_push_contact.is_empty()),
                ],
            ),
        ];
        for (service, settings) in together {
            if settings.iter().any(|(_, set)| *set) {
                for (setting, _) in settings.iter().filter(|(_, set)| !set) {
                    found.push(Finding::error(*setting, format!("is missing: {service} needs all of its settings")));
                }
            }
        }
        // They become parts of addresses and headers.
        let name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        for (setting, text) in [
            ("push.fcm_project", &push.fcm_project),
            ("push.apns_topic", &push.apns_topic),
            ("push.apns_team", &push.apns_team),
            ("push.apns_key_id", &push.apns_key_id),
        ] {
            if !name(text) {
                found.push(Finding::error(setting, "must be letters, digits, full stops, hyphens and underscores"));
            }
        }
        if push.web_push_hosts.iter().any(|host| !is_host_rule(host)) {
            let text = "must be host names: name, name:port, *.name, or * for every public host";
            found.push(Finding::error("push.web_push_hosts", text));
        }
        let contact = &push.web_push_contact;
        if !contact.is_empty() && !contact.starts_with("mailto:") && !contact.starts_with("https://") {
            found.push(Finding::error("push.web_push_contact", "must be a mailto: or https: address"));
        }
        if push.web_push_private && !self.server.test_environment {
            let text = "must be false outside test environments: phones would choose what the server reaches";
            found.push(Finding::error("push.web_push_private", text));
        }
    }
}

fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.origin().ascii_serialization() == *text)
}

fn is_host_rule(rule: &str) -> bool {
    let rest = rule.strip_prefix("*.").unwrap_or(rule);
    rule == "*" || is_origin(&format!("https://{}", rest.to_ascii_lowercase()))
}
