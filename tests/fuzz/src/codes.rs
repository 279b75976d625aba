//! What people scan, type and read: links, codes, numbers and display texts.

use godkend_protocol::bytes::{Blob, Fixed, Secret};
use godkend_protocol::formats::activation_code::ActivationCode;
use godkend_protocol::formats::block_code::BlockCode;
use godkend_protocol::formats::link::{ActivationLink, Link, LoginFrame, OfflineLink, SameDeviceLink, is_environment};
use godkend_protocol::formats::{digits, offline_code, qr_frame};
use godkend_protocol::text;

use crate::input::{self, Input};
use crate::mutate;
use crate::shared::random::Stream;

pub(crate) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.below(6) {
        0 => any(&input::text(input.rest())),
        1 => {
            let text = link(&mut input).to_text();
            assert_eq!(Link::parse(&text).map(|link| link.to_text()), Ok(text.clone()));
            any(&input::text(&mutate::bytes(&mut input, text.into_bytes())));
        }
        2 => {
            let mut rng = Stream::new(&input.byte().to_string());
            let (activation, block) = (ActivationCode::generate(&mut rng), BlockCode::generate(&mut rng));
            let (a, b) = (activation.to_text(), block.to_text());
            assert_eq!(ActivationCode::parse(&a).map(|code| code.to_text()), Ok(a.clone()));
            assert_eq!(BlockCode::parse(&b).map(|code| code.hash()), Some(block.hash()));
            let text = if input.flag() { a } else { b };
            any(&input::text(&mutate::bytes(&mut input, text.into_bytes())));
        }
        3 => shown(&input::text(input.rest())),
        4 => {
            let (frame, now, validity) = (input.number(), input.number() as i64, input.number() as i64);
            let _ = qr_frame::is_fresh(frame, now, validity);
            let _ = qr_frame::code(&Secret(input.array()), &Fixed(input.array()), frame);
            let _ = offline_code::code(
                &offline_code::key(&Secret(input.array()), &Fixed(input.array())),
                &Fixed(input.array()),
            );
        }
        _ => {
            let number = digits::random_number(&mut Stream::new(&input.byte().to_string()));
            assert_eq!(digits::parse(&digits::spaced(&number)), Some(number.clone()));
            any(&input::text(&mutate::bytes(&mut input, number.into_bytes())));
        }
    }
}

fn link(input: &mut Input<'_>) -> Link {
    let environment = (0..=input.below(32)).map(|_| char::from(*input.pick(b"abcxyz019-"))).collect();
    match input.below(4) {
        0 => Link::Activation(ActivationLink {
            environment,
            id: Fixed(input.array()),
            secret: Secret(input.array()),
            root: Fixed(input.array()),
            expires: input.number() as i64,
        }),
        1 => Link::Login(LoginFrame {
            environment,
            session: Fixed(input.array()),
            // A frame is a second of the clock, a positive number.
            frame: input.number() >> 1,
            code: Fixed(input.array()),
        }),
        2 => Link::SameDevice(SameDeviceLink {
            environment,
            session: Fixed(input.array()),
            secret: Secret(input.array()),
        }),
        _ => {
            let mut challenge = input.chunk().to_vec();
            challenge.push(0);
            Link::Offline(OfflineLink { challenge: Blob(challenge) })
        }
    }
}

/// Every reader of typed and scanned text: what one takes, it writes and reads again.
fn any(text: &str) {
    let _ = is_environment(text);
    if let Ok(link) = Link::parse(text) {
        assert_eq!(link.to_text(), text, "a link has one text");
        assert_eq!(Link::parse(&link.to_text()), Ok(link));
    }
    if let Ok(code) = ActivationCode::parse(text) {
        let again = ActivationCode::parse(&code.to_text()).unwrap();
        assert!(again.name == code.name && again.secret == code.secret);
    }
    if let Some(code) = BlockCode::parse(text) {
        assert_eq!(BlockCode::parse(&code.to_text()).map(|code| code.hash()), Some(code.hash()));
    }
    if let Some(number) = digits::parse(text) {
        assert!(number.len() == digits::COUNT && number.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let _ = digits::spaced(text);
    if digits::check_pin(text).is_ok() {
        assert!(godkend_core::Pin::new(text).is_ok());
    }
    if let Some(id) = Fixed::<16>::from_base64(text) {
        assert_eq!(id.to_base64(), text, "bytes have one base64 text");
    }
    shown(text);
}

/// Display texts: what passes hides nothing, and what was tamed passes.
fn shown(text: &str) {
    let _ = text::visible(text);
    for limit in [text::MAX_NAME, text::MAX_REFERENCE_TEXT] {
        let tamed = text::tame(text, limit);
        assert_eq!(text::check(&tamed, limit), Ok(()), "{tamed:?}");
        if text::check(text, limit).is_ok() {
            assert!(text.chars().count() <= limit && !text.chars().any(char::is_control));
            let hidden = |c: char| matches!(u32::from(c), 0x200B..=0x200F | 0x202A..=0x202E | 0x2066..=0x2069 | 0xFEFF);
            assert!(!text.chars().any(hidden), "{text:?}");
            assert_eq!(tamed, text.trim());
        }
    }
}
