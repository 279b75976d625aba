//! What the phone's side costs: processor time of the thread that it runs on, for each activation and approval, with
//! software keys and real HTTPS to a server on other threads. Prints a table; `cargo bench -p godkend-tests`.
//!
//! Not wall-clock time: a busy machine does not change what is measured here much. Linux only (`/proc`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that goes wrong ends")]

use godkend_core::Approval;
use godkend_protocol::messages::activation::Stage;
use godkend_tests::phone::{PIN, with_pin};
use godkend_tests::{Ask, Phone, World};
use tokio::runtime::{Builder, Runtime};

const ROUNDS: usize = 20;

fn main() {
    let server = Builder::new_multi_thread().enable_all().build().unwrap();
    // All of the phone's tasks stay on this thread.
    let own = Builder::new_current_thread().enable_all().build().unwrap();
    let world = server.block_on(World::new());
    let before = memory_kb("VmRSS:");
    let (mut start, mut activation, mut pin_start) = (Vec::new(), Vec::new(), Vec::new());
    let mut phones = Vec::new();
    for round in 0..ROUNDS {
        let (phone, opened) = measured(&own, world.phone());
        let citizen = server.block_on(world.citizen(&format!("bench-{round}")));
        let (handed, link) = server.block_on(world.hand_out(&citizen, "link"));
        let (begun, first) = measured(&own, phone.begin_activation(&link));
        let (identity, digits) = begun.unwrap();
        let (status, _) = server.block_on(world.digits(&handed, &digits));
        assert_eq!(status, 200);
        let (stage, second) = measured(&own, phone.choose_pin(identity, PIN));
        assert_eq!(stage.unwrap(), Stage::Active);
        start.push(opened);
        activation.push(first + second);
        pin_start.push(second);
        phones.push(phone);
    }
    let phone = phones.swap_remove(0);
    own.block_on(phone.biometrics_on()).unwrap();
    let (scans, with_pins) = approvals(&server, &own, &world, &phone, || with_pin(PIN));
    let (_, with_fingers) = approvals(&server, &own, &world, &phone, || Approval::Biometric);
    println!("processor time of the phone's thread, milliseconds: median of {ROUNDS} (least, most)");
    for (what, times) in [
        ("a phone is opened", start),
        ("activation, of which the PIN is the next line", activation),
        ("  PIN registered and approved with once", pin_start),
        ("a request is scanned, verified and shown", scans),
        ("it is approved with the PIN", with_pins),
        ("it is approved with biometrics", with_fingers),
    ] {
        println!("{what:<46} {}", summary(times));
    }
    println!("memory of one phone more, kB: {}", memory_kb("VmRSS:").saturating_sub(before) / ROUNDS);
    server.block_on(async move {
        let mut world = world;
        world.stop().await;
    });
}

fn approvals(
    server: &Runtime,
    own: &Runtime,
    world: &World,
    phone: &Phone,
    with: impl Fn() -> Approval,
) -> (Vec<u64>, Vec<u64>) {
    (0..ROUNDS)
        .map(|_| {
            let mut browser = server.block_on(world.login_page(&Ask::login()));
            let text = server.block_on(browser.qr());
            let (view, scanned) = measured(own, phone.scan(&text));
            let view = view.unwrap();
            let (done, approved) = measured(own, phone.approve_with(&view, with(), false));
            done.unwrap();
            (scanned, approved)
        })
        .unzip()
}

/// The result, and the nanoseconds of processor time that this thread took.
fn measured<T>(own: &Runtime, work: impl Future<Output = T>) -> (T, u64) {
    let before = thread_ns();
    let result = own.block_on(work);
    (result, thread_ns() - before)
}

fn thread_ns() -> u64 {
    // Time on a processor comes first (proc-schedstat).
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a Linux with schedstat");
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn memory_kb(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn summary(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let ms = |ns: u64| format!("{}.{:02}", ns / 1_000_000, ns % 1_000_000 / 10_000);
    format!("{} ({}, {})", ms(times[times.len() / 2]), ms(times[0]), ms(*times.last().unwrap()))
}
