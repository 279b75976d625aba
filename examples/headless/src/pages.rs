//! What describes the program to a shell and to `man`.

use std::io::{self, Write as _};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::Exit;
use crate::json::SCHEMA;
use crate::problem::Problem;

/// Prints a completion script.
pub(crate) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "godkend", &mut script);
    print(&script)
}

/// Prints the man page, or writes one for each command.
///
/// # Errors
/// [`Problem::File`].
pub(crate) fn man(folder: Option<&Path>) -> Result<Exit, Problem> {
    match folder {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|e| Problem::file("godkend.1", e))?;
            Ok(print(&page))
        }
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|e| Problem::file(folder, e))?;
            clap_mangen::generate_to(Cli::command(), folder).map_err(|e| Problem::file(folder, e))?;
            Ok(Exit::Done)
        }
    }
}

/// Prints the JSON Schema.
pub(crate) fn schema() -> Exit {
    print(SCHEMA.as_bytes())
}

fn print(bytes: &[u8]) -> Exit {
    // A reader that has gone away, such as `head`, wants nothing more.
    let _ = io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().lock().flush());
    Exit::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_man_page_and_completions() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(man(Some(folder.path())).unwrap(), Exit::Done);
        let command = Cli::command();
        for sub in command.get_subcommands() {
            let page = folder.path().join(format!("godkend-{}.1", sub.get_name()));
            let text = std::fs::read_to_string(&page).unwrap();
            assert!(text.contains("Example"), "{}", sub.get_name());
        }
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "godkend", &mut script);
            assert!(String::from_utf8(script).unwrap().contains("request-payment"), "{shell}");
        }
    }
}
