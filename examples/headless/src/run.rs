//! From the command line to the command.

use std::path::PathBuf;

use godkend_client::state::{Passphrase, Wrapping};

use crate::args::{AtDesk, BlockCitizen, Cli, Command, Decide, Global, KeyStore, RequestLogin, Serve, Switch};
use crate::ask;
use crate::demo;
use crate::desk::{self, Desk, NewCitizen};
use crate::embedded;
use crate::exit::Exit;
use crate::home::{self, Home, read_relying_party};
use crate::output::Output;
use crate::pages;
use crate::phone::decide::{Decision, Options};
use crate::phone::{Kind, Phone, activate, manage, push, requests};
use crate::problem::Problem;
use crate::rp::commands::{self as party, How};
use crate::rp::openid::{Ask, WantedPayment};
use crate::serve;
use crate::simulate;

/// Runs a command.
///
/// # Errors
/// [`Problem`].
pub(crate) async fn run(cli: Cli, out: Output) -> Result<Exit, Problem> {
    let Cli { global, command } = cli;
    let home = || {
        let env = |name: &str| std::env::var_os(name).map(PathBuf::from);
        Home::new(global.home.clone(), global.dir.clone(), global.root.clone(), env)
    };
    match command {
        Command::Demo { yes, keep } => demo::demo(yes, keep, out).await,
        Command::Completions { shell } => Ok(pages::completions(shell)),
        Command::Man { out: folder } => pages::man(folder.as_deref()),
        Command::Schema => Ok(pages::schema()),
        Command::Serve(serve) => {
            let Serve { test, hybrid, listen, attached, floor, prepare } = serve;
            let options = embedded::Options { test, hybrid, listen, unlimited: attached };
            let until = if attached { serve::Until::Attached } else { serve::Until::Signal };
            if attached {
                // As the server's own program does: a log that is not written would not be measured.
                godkend_server::ops::logging::start("info").map_err(|e| Problem::Embedded(e.to_string()))?;
            }
            if floor {
                serve::floor(&home()?.server(), &options, &out).await
            } else {
                serve::serve(&home()?.server(), &options, until, prepare, &out).await
            }
        }
        Command::Simulate { users, logins, in_flight, with, floor, warm_up, server, prepare, here, desk, client } => {
            let options = simulate::Options { users, logins, in_flight, with, floor, warm_up, server, prepare };
            load_test(options, here, &desk, client, &home()?, out).await
        }
        Command::CreateCitizen(_)
        | Command::Citizens { .. }
        | Command::Activation { .. }
        | Command::ConfirmDigits { .. }
        | Command::BlockCitizen(_)
        | Command::UnblockCitizen(_)
        | Command::ResetPin(_)
        | Command::Clock { .. } => at_desk(command, &home()?, &out).await,
        Command::RequestLogin(request) => ask_for(&request, None, &home()?, &out).await,
        Command::RequestPayment { amount, currency, payee, account, request } => {
            let payment = WantedPayment { amount, currency, payee, account };
            ask_for(&request, Some(payment), &home()?, &out).await
        }
        phone => on_phone(phone, &global, &home()?, out).await,
    }
}

async fn on_phone(command: Command, global: &Global, home: &Home, out: Output) -> Result<Exit, Problem> {
    let new = match &command {
        Command::Activate(activate) => Some(Kind {
            model: activate.model.clone(),
            biometrics: !activate.no_biometrics,
            key_agreement: !activate.no_key_agreement,
        }),
        _ => None,
    };
    let directory = home.profile(&global.profile)?;
    if new.is_none() && !directory.exists() {
        return Err(Problem::usage(
            format!("Der er ingen telefon med navnet {}. Aktivér den med `godkend activate`.", global.profile),
            format!("There is no phone called {}. Activate it with `godkend activate`.", global.profile),
        ));
    }
    let wrapping = match global.key_store {
        KeyStore::Auto => Wrapping::Automatic,
        KeyStore::Os => Wrapping::OsKeyStore,
        KeyStore::File => Wrapping::KeyFile,
        KeyStore::Passphrase => {
            let passphrase = ask::secret(&out, "Adgangssætning", "Passphrase").await?;
            Wrapping::Passphrase(Passphrase::new(passphrase.to_string()))
        }
    };
    let phone = Phone::open(&directory, &home.roots()?, wrapping, new, global.finger, global.person, out).await?;
    let result = dispatch(command, &phone).await;
    phone.client.close().await;
    result
}

async fn dispatch(command: Command, phone: &Phone) -> Result<Exit, Problem> {
    match command {
        Command::Activate(args) => {
            let options = activate::Options {
                picture: args.picture.as_deref(),
                environment: args.environment,
                digits_only: args.digits_only,
            };
            activate::activate(phone, &options).await
        }
        Command::Resume => activate::resume(phone).await,
        Command::People => Ok(manage::people(phone)),
        Command::Pending => requests::pending(phone).await,
        Command::Watch { once, decide } => requests::watch(phone, once, &options(&decide)).await,
        Command::Scan { picture, decide } => requests::scan(phone, picture.as_deref(), &options(&decide)).await,
        Command::Open { decide } => requests::open_link(phone, &options(&decide)).await,
        Command::Number { decide } => requests::number(phone, &options(&decide)).await,
        Command::Approve { id, with, remember } => {
            let options = Options { decision: Decision::Approve, with, remember };
            requests::open_pushed(phone, id.as_deref(), &options).await
        }
        Command::Deny { id } => requests::open_pushed(phone, id.as_deref(), &plain(Decision::Deny)).await,
        Command::Report { id } => requests::open_pushed(phone, id.as_deref(), &plain(Decision::Report)).await,
        Command::WasMe { id } => requests::open_pushed(phone, id.as_deref(), &plain(Decision::WasMe)).await,
        Command::NotMe { id } => requests::open_pushed(phone, id.as_deref(), &plain(Decision::NotMe)).await,
        Command::History => manage::history(phone),
        Command::Devices => manage::devices(phone).await,
        Command::Browsers { forget, with } => manage::browsers(phone, forget.as_deref(), with).await,
        Command::Pin { reset: true, digits_only } => activate::reset_pin(phone, digits_only).await,
        Command::Pin { reset: false, .. } => manage::change_pin(phone).await,
        Command::Biometrics { state, with } => manage::biometrics(phone, state == Switch::On, with).await,
        Command::RotateKeys => manage::rotate_keys(phone).await,
        Command::Calls { state, with } => manage::calls(phone, state == Switch::On, with).await,
        Command::Push(args) => push::push(phone, args).await,
        Command::Woken { handle } => push::woken(phone, &handle).await,
        Command::Move { keep, picture, with } => manage::hand_over(phone, with, keep, picture.as_deref()).await,
        Command::Remove { id, with } => manage::remove(phone, id.as_deref(), with).await,
        Command::Block { yes } => manage::block(phone, yes).await,
        Command::BlockCodeNoted => manage::block_code_noted(phone).await,
        Command::Forget => manage::forget(phone).await,
        // Not a phone's; `run` has taken them.
        _ => Err(Problem::usage("Kommandoen hører ikke til en telefon.", "The command does not belong to a phone.")),
    }
}

const fn plain(decision: Decision) -> Options {
    Options { decision, with: None, remember: false }
}

const fn options(decide: &Decide) -> Options {
    let decision = if decide.approve {
        Decision::Approve
    } else if decide.deny {
        Decision::Deny
    } else if decide.report {
        Decision::Report
    } else if decide.was_me {
        Decision::WasMe
    } else if decide.not_me {
        Decision::NotMe
    } else if decide.show {
        Decision::Show
    } else {
        Decision::Ask
    };
    Options { decision, with: decide.with, remember: decide.remember }
}

async fn open_desk(desk: &AtDesk, home: &Home) -> Result<Desk, Problem> {
    let token = desk.token.clone().unwrap_or_else(|| home::token_file(&home.server()));
    let opened = Desk::open(&home.root()?, &token).await?;
    Ok(match &desk.desk {
        Some(origin) => opened.at(origin),
        None => opened,
    })
}

async fn at_desk(command: Command, home: &Home, out: &Output) -> Result<Exit, Problem> {
    use desk::commands;
    match command {
        Command::CreateCitizen(args) => {
            let new = NewCitizen {
                name: args.name,
                user_id: args.user_id,
                born: args.born,
                cpr: None,
                level: args.level.name().to_owned(),
                magic: args.magic.map(|magic| magic.name().to_owned()),
                tell_uses: args.tell_uses,
            };
            commands::create_citizen(&open_desk(&args.desk, home).await?, out, new, args.cpr).await
        }
        Command::Citizens { user_id, desk } => {
            commands::citizens(&open_desk(&desk, home).await?, out, user_id.as_deref()).await
        }
        Command::Activation { user_id, code, picture, desk } => {
            let desk = open_desk(&desk, home).await?;
            commands::activation(&desk, out, home, &user_id, code, picture.as_deref()).await
        }
        Command::ConfirmDigits { id, desk } => {
            commands::confirm_digits(&open_desk(&desk, home).await?, out, home, id.as_deref()).await
        }
        Command::BlockCitizen(BlockCitizen { user_id, device, desk }) => {
            commands::block(&open_desk(&desk, home).await?, out, &user_id, device.as_deref(), true).await
        }
        Command::UnblockCitizen(BlockCitizen { user_id, device, desk }) => {
            commands::block(&open_desk(&desk, home).await?, out, &user_id, device.as_deref(), false).await
        }
        Command::ResetPin(BlockCitizen { user_id, device, desk }) => {
            commands::reset_pin(&open_desk(&desk, home).await?, out, home, &user_id, device.as_deref()).await
        }
        Command::Clock { seconds, desk } => commands::clock(&open_desk(&desk, home).await?, out, seconds).await,
        // Not a desk's; `run` has taken them.
        _ => Err(Problem::usage("Kommandoen hører ikke til en skranke.", "The command does not belong to a desk.")),
    }
}

async fn ask_for(
    args: &RequestLogin,
    payment: Option<WantedPayment>,
    home: &Home,
    out: &Output,
) -> Result<Exit, Problem> {
    let user_id = || args.user_id.clone().unwrap_or_default();
    let how = if args.ciba {
        How::Ciba { user_id: user_id() }
    } else if args.number {
        How::Number { user_id: user_id() }
    } else if args.offline {
        How::Offline { user_id: user_id(), picture: args.picture.clone() }
    } else if args.same_device {
        How::SameDevice
    } else {
        How::Qr { picture: args.picture.clone() }
    };
    let options = party::Options {
        how,
        ask: Ask {
            action: None,
            text: args.text.clone(),
            level: args.level.map(|level| level.name().to_owned()),
            payment,
        },
        leeway: args.leeway,
        browser: args.browser.as_deref().map(|name| home.browser(name)).transpose()?,
    };
    let file = args.client.clone().unwrap_or_else(|| home::relying_party_file(&home.server()));
    party::request(&home.root()?, read_relying_party(&file)?, &options, out).await
}

async fn load_test(
    options: simulate::Options,
    here: bool,
    desk: &AtDesk,
    client: Option<PathBuf>,
    home: &Home,
    out: Output,
) -> Result<Exit, Problem> {
    if here {
        let file = client.unwrap_or_else(|| home::relying_party_file(&home.server()));
        let desk = open_desk(desk, home).await?;
        return simulate::with_given_server(options, &home.root()?, read_relying_party(&file)?, desk, out).await;
    }
    simulate::with_own_server(options, out).await
}
