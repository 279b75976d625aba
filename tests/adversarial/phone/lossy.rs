//! Many threads on one phone, over a network that loses replies.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use godkend_core::{Command, EffectKind, Failure, IdentityStanding, Input, Outcome};
use godkend_protocol::cbor;
use godkend_protocol::codes::Code;
use godkend_protocol::messages::approval::{Fetch, Fetched};
use godkend_protocol::types::Suite;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use godkend_tests::phone::{PIN, Phone, code, with_pin};
use godkend_tests::{Ask, Bench, World};

/// Stands between phone and server and passes bytes on; now and then it lets a request through, swallows the reply and
/// breaks the connection.
struct Network {
    url: String,
    /// Swallows the reply to every so many pieces of a request; 0 for none.
    every: Arc<AtomicU32>,
    lost: Arc<AtomicU32>,
}

impl Network {
    async fn before(world: &World) -> Self {
        let server = world.url.strip_prefix("https://").unwrap().to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (every, lost, seen) =
            (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let network = Self { url, every: every.clone(), lost: lost.clone() };
        tokio::spawn(async move {
            while let Ok((phone, _)) = listener.accept().await {
                let (server, every, lost, seen) = (server.clone(), every.clone(), lost.clone(), seen.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else { return };
                    pass(phone, server, &every, &seen, &lost).await;
                });
            }
        });
        network
    }

    fn loses_every(&self, pieces: u32) {
        self.every.store(pieces, Ordering::SeqCst);
    }

    fn lost(&self) -> u32 {
        self.lost.load(Ordering::SeqCst)
    }
}

async fn pass(mut phone: TcpStream, mut server: TcpStream, every: &AtomicU32, seen: &AtomicU32, lost: &AtomicU32) {
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = phone.read(&mut up) => {
                let Ok(length @ 1..) = read else { return };
                if server.write_all(&up[..length]).await.is_err() {
                    return;
                }
                let every = every.load(Ordering::SeqCst);
                if every > 0 && seen.fetch_add(1, Ordering::SeqCst) % every == every - 1 {
                    // The server has it, and has answered; nobody hears.
                    let _ = tokio::time::timeout(Duration::from_millis(300), server.read(&mut down)).await;
                    lost.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(length @ 1..) = read else { return };
                if phone.write_all(&down[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn phone_behind(world: &World, network: &Network, user_id: &str) -> Phone {
    let citizen = world.citizen(user_id).await;
    let root = godkend_protocol::keyset::Root { url: network.url.clone(), ..world.root.clone() };
    let phone = Phone::new(root, vec![Suite::P256]).await;
    phone.activate(world, &citizen, PIN).await;
    phone
}

/// Does it until the network lets it through; nothing but the network is in the way.
async fn insist(phone: &Phone, command: Command) -> Result<(), Failure> {
    for _ in 0..8 {
        match phone.run(command.clone()).await {
            Err(Failure::NoNetwork) => {}
            done => return done.map(|_| ()),
        }
    }
    panic!("no network");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a53_many_threads_and_lost_replies_block_nobody_and_cost_no_try() {
    let world = Arc::new(World::new().await);
    let network = Network::before(&world).await;
    let phone = phone_behind(&world, &network, "will-threads").await;
    let biometric = || godkend_core::Approval::Biometric;
    phone.biometrics_on().await.unwrap();
    network.loses_every(7);
    let mut tasks = tokio::task::JoinSet::new();
    // As many as a phone shows at once.
    for task in 0..8 {
        let (world, phone) = (world.clone(), phone.clone());
        tasks.spawn(async move {
            // Others read, poll and look while some approve and some refuse.
            if task % 3 == 2 {
                insist(&phone, Command::Overview { identity: None }).await.unwrap();
                insist(&phone, Command::Poll { identity: None, wait: 0 }).await.unwrap();
            }
            let (mut browser, view) = loop {
                let mut browser = world.login_page(&Ask::login()).await;
                match phone.scan(&browser.qr().await).await {
                    Ok(view) => break (browser, view),
                    // Lost four times over, or slower than the code on the screen: the person loads the page again.
                    Err(Failure::NoNetwork | Failure::Busy) => {}
                    Err(Failure::Refused { code: Code::QrStale, .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            };
            let request = view.id;
            let with = if task % 2 == 0 { with_pin(PIN) } else { biometric() };
            let refuses = task % 4 == 3;
            let answer = match refuses {
                true => Command::Deny { request },
                false => Command::Approve { request, with, remember_browser: false },
            };
            loop {
                match phone.run(answer.clone()).await {
                    Ok(_) => break,
                    Err(Failure::NoNetwork) => {}
                    Err(other) => panic!("task {task}: {other:?}"),
                }
                // What was stored goes out with the next command; what never came so far is pressed again.
                insist(&phone, Command::Resume).await.unwrap();
                if browser.state().await["finish"].is_string() {
                    break;
                }
            }
            let told = browser.finish().await;
            assert_eq!(told.contains_key("code"), !refuses, "task {task}: {told:?}");
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    println!("{} replies lost", network.lost());
    assert!(network.lost() >= 3, "{}", network.lost());
    network.loses_every(0);
    insist(&phone, Command::Resume).await.unwrap();
    let identity = &phone.client.identities()[0];
    assert_eq!((identity.standing, identity.unsettled), (IdentityStanding::Active, false));
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    let left = view.pin.unwrap();
    assert_eq!((left.tries_left, left.rounds_left, left.wait), (3, 2, 0));
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

/// The same scan, the same approval and the same refusal, pressed on many threads at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a53_one_request_answered_on_many_threads_has_one_outcome_and_costs_no_try() {
    let world = World::new().await;
    let (_, phone) = world.person("wilma-threads").await;
    for round in 0..3 {
        let mut browser = world.login_page(&Ask::login()).await;
        let view = phone.scan(&browser.qr().await).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for press in 0..8 {
            let (phone, view) = (phone.clone(), view.clone());
            tasks.spawn(async move {
                match press % 2 {
                    0 => phone.approve(&view, PIN).await.map(|_| true),
                    _ => phone.deny(&view).await.map(|()| false),
                }
            });
        }
        let results = tasks.join_all().await;
        let done: Vec<bool> = results.iter().filter_map(|result| result.as_ref().ok().copied()).collect();
        assert_eq!(done.len(), 1, "{results:?}");
        for failure in results.into_iter().filter_map(Result::err) {
            let harmless =
                failure == Failure::NoRequest || code::<()>(Err(failure.clone())) == Some(Code::TransactionFinished);
            assert!(harmless, "round {round}: {failure:?}");
        }
        assert_eq!(browser.finish().await.contains_key("code"), done[0]);
    }
    let mut browser = world.login_page(&Ask::login()).await;
    let view = phone.scan(&browser.qr().await).await.unwrap();
    assert_eq!(view.pin.unwrap().tries_left, 3);
    phone.approve(&view, PIN).await.unwrap();
    browser.signed_in().await;
}

/// Where the server says that its log stands, in the newest challenge.
fn checkpoint(bench: &Bench) -> String {
    cbor::decode::<Fetched>(bench.sent(Fetch::PATH).reply.as_ref().unwrap()).unwrap().checkpoint
}

/// A reply that comes after the log has moved on under another one's eyes is no sign of a false server.
#[tokio::test]
async fn a53_a_request_that_is_overtaken_by_another_is_asked_for_again() {
    let world = World::new().await;
    let citizen = world.citizen("wim-overtaken").await;
    let mut bench = Bench::new(&world, 53);
    bench.activate(&world, &citizen, &mut std::iter::empty()).await;
    let mut browser = world.login_page(&Ask::login()).await;
    let text = browser.qr().await;
    // The first one's reply is under way...
    let mut effect = bench.input(Input::Command(Command::Scan { identity: None, text })).unwrap();
    let late = loop {
        let asks = matches!(&effect.kind, EffectKind::Send(request) if request.path == Fetch::PATH);
        let reply = bench.perform(effect.kind).await;
        if asks {
            break Input::Reply(effect.ticket, reply);
        }
        effect = bench.input(Input::Reply(effect.ticket, reply)).unwrap();
    };
    let before = checkpoint(&bench);
    // ... while the log grows, and a second one sees it.
    world.person("wivi-overtaking").await;
    for look in 0.. {
        bench.scan(&world).await;
        if checkpoint(&bench) != before {
            break;
        }
        assert!(look < 200, "the log does not move");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut effect = bench.input(late).unwrap();
    let outcome = loop {
        match effect.kind {
            EffectKind::Done(result) => break result.unwrap(),
            kind => {
                let reply = bench.perform(kind).await;
                effect = bench.input(Input::Reply(effect.ticket, reply)).unwrap();
            }
        }
    };
    let Outcome::Request(view) = outcome else { panic!("{outcome:?}") };
    bench.ok(Command::Approve { request: view.id, with: with_pin(PIN), remember_browser: false }).await;
    browser.signed_in().await;
}
