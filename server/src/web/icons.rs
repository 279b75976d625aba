//! The pages' pictures: the lines that both apps draw (`android/app/src/main/res/drawable`), in the colour of their text.

/// A handset.
pub(super) const PHONE: &str =
    "M8.5 3.5h7A1.5 1.5 0 0 1 17 5v14a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 7 19V5a1.5 1.5 0 0 1 1.5-1.5zM11 17.7h2";
/// A clock.
pub(super) const CLOCK: &str = "M12 3.5a8.5 8.5 0 1 1 0 17a8.5 8.5 0 1 1 0-17zM12 7.5v4.8l3.2 2";
/// A shield.
pub(super) const SHIELD: &str = "M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9c-4-1.5-7-4.5-7-9V6zM8.8 12l2.4 2.4l4.2-4.6";
/// A check mark.
pub(super) const CHECK: &str = "M5 12.5l5 5L19.5 7";
/// A cross.
pub(super) const CROSS: &str = "M6.5 6.5l11 11M17.5 6.5l-11 11";
/// A key: a chip.
pub(super) const KEY: &str = "M8,10.5 A3.5,3.5 0 1 1 8,17.5 A3.5,3.5 0 1 1 8,10.5 Z M10.6,11.6 L18.5,4 M15.5,7 L18,9.5";
/// A padlock.
pub(super) const LOCK: &str = "M7 10.5h10a1.5 1.5 0 0 1 1.5 1.5v6.5A1.5 1.5 0 0 1 17 20H7a1.5 1.5 0 0 1-1.5-1.5V12A1.5 1.5 0 0 1 7 10.5zM8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5M12 14.2v2.1";

/// A picture for the eye only: what it says stands beside it.
pub(super) fn icon(path: &str) -> String {
    format!(r#"<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{path}"/></svg>"#)
}

/// The same, large and in a circle: what has come of something.
pub(super) fn emblem(kind: &str, path: &str) -> String {
    format!(r#"<div class="emblem {kind}">{}</div>"#, icon(path))
}
