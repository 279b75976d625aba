//! What a page calls. It puts a message's fields byte by byte, calls a step, and takes the answer byte by byte: no pointers
//! cross, so nothing here needs unsafe code but the names themselves.
//!
//! A field is its length in two bytes, big-endian, and its bytes. A step answers 0, or why not.

#![allow(unsafe_code, reason = "`no_mangle` is what gives a function the name that the page calls; no block is unsafe")]

use std::cell::RefCell;

use zeroize::{Zeroize as _, Zeroizing};

use crate::exchange::{Choosing, Seed, Using};
use crate::rules::{self, Weakness};

#[derive(Default)]
struct Machine {
    input: Vec<u8>,
    output: Vec<u8>,
    taken: usize,
    choosing: Option<Choosing>,
    using: Option<Using>,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::default();
}

const REFUSED: u32 = 1;

/// Adds a byte to the next step's input.
#[unsafe(no_mangle)]
extern "C" fn put(byte: u32) {
    MACHINE.with_borrow_mut(|machine| machine.input.push(byte.to_be_bytes()[3]));
}

/// The next byte of the last step's answer, or -1.
#[unsafe(no_mangle)]
extern "C" fn take() -> i32 {
    MACHINE.with_borrow_mut(|machine| {
        let byte = machine.output.get(machine.taken).map_or(-1, |byte| i32::from(*byte));
        machine.taken = machine.taken.saturating_add(1);
        byte
    })
}

/// Fields password, user id: 0 if the password may be chosen; 2 too short, 3 too long, 4 too common, 5 holds the user id.
#[unsafe(no_mangle)]
extern "C" fn weakness() -> u32 {
    step(|_, fields| {
        let [password, user_id] = fields else { return Err(REFUSED) };
        let (Ok(password), Ok(user_id)) = (core::str::from_utf8(password), core::str::from_utf8(user_id)) else {
            return Err(REFUSED);
        };
        rules::check(password, user_id).map(|()| Vec::new()).map_err(|weakness| match weakness {
            Weakness::Short => 2,
            Weakness::Long => 3,
            Weakness::Common => 4,
            Weakness::Yours => 5,
        })
    })
}

/// Fields seed (32 random bytes), password: answers the registration request.
#[unsafe(no_mangle)]
extern "C" fn choose() -> u32 {
    step(|machine, fields| {
        let [seed, password] = fields else { return Err(REFUSED) };
        let (choosing, request) = Choosing::start(self::seed(seed)?, password).map_err(|_| REFUSED)?;
        machine.choosing = Some(choosing);
        Ok(request)
    })
}

/// Field response: answers the record to upload.
#[unsafe(no_mangle)]
extern "C" fn chosen() -> u32 {
    step(|machine, fields| {
        let [response] = fields else { return Err(REFUSED) };
        machine.choosing.take().ok_or(REFUSED)?.finish(response).map_err(|_| REFUSED)
    })
}

/// Fields seed (32 random bytes), password: answers KE1.
#[unsafe(no_mangle)]
extern "C" fn begin() -> u32 {
    step(|machine, fields| {
        let [seed, password] = fields else { return Err(REFUSED) };
        let (using, ke1) = Using::start(self::seed(seed)?, password).map_err(|_| REFUSED)?;
        machine.using = Some(using);
        Ok(ke1)
    })
}

/// Fields KE2, context: answers KE3.
#[unsafe(no_mangle)]
extern "C" fn prove() -> u32 {
    step(|machine, fields| {
        let [ke2, context] = fields else { return Err(REFUSED) };
        machine.using.take().ok_or(REFUSED)?.finish(ke2, context).map_err(|_| REFUSED)
    })
}

fn seed(bytes: &[u8]) -> Result<Seed, u32> {
    bytes.try_into().map(Seed::new).map_err(|_| REFUSED)
}

/// One step over the input's fields; both buffers are wiped.
fn step(run: impl FnOnce(&mut Machine, &[&[u8]]) -> Result<Vec<u8>, u32>) -> u32 {
    MACHINE.with_borrow_mut(|machine| {
        let input = Zeroizing::new(core::mem::take(&mut machine.input));
        machine.output.zeroize();
        machine.taken = 0;
        let Some(fields) = fields(&input) else { return REFUSED };
        match run(machine, &fields) {
            Ok(answer) => {
                machine.output = answer;
                0
            }
            Err(why) => why,
        }
    })
}

fn fields(mut input: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !input.is_empty() {
        let (length, rest) = input.split_at_checked(2)?;
        let (field, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))?;
        fields.push(field);
        input = rest;
    }
    Some(fields)
}
