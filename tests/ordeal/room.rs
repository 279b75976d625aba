//! A small file system: a tmpfs in a mount namespace of its own, which needs no privilege where the kernel lets users have
//! namespaces. Where it does not, a limit on the size of files stands in for it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::server::{Place, Server};

/// A tmpfs, for as long as the process that holds its namespace lives.
struct Room {
    holder: Child,
    point: TempDir,
}

impl Room {
    fn new(kib: u32) -> Result<Self, String> {
        let point = tempfile::tempdir().unwrap();
        let script = format!("mount -t tmpfs -o size={kib}k,mode=700 tmpfs \"$0\" && echo ready && exec cat");
        let holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .arg(point.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut room = Self { holder: holder.map_err(|error| error.to_string())?, point };
        let mut line = String::new();
        BufReader::new(room.holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line == "ready\n" { Ok(room) } else { Err("no namespace, or no mount in it".to_owned()) }
    }

    fn place(&self) -> Place {
        let (pid, inside) = (self.holder.id(), self.point.path().join("environment"));
        let seen = PathBuf::from(format!("/proc/{pid}/root")).join(inside.strip_prefix("/").unwrap());
        let before = ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", &pid.to_string(), "--"];
        Place { folder: seen, inside, before: before.map(str::to_owned).to_vec() }
    }

    fn filler(&self) -> PathBuf {
        self.place().folder.with_file_name("filler")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// How a server is kept from writing.
pub(crate) enum Hunger {
    Full(#[allow(private_interfaces, reason = "nobody looks inside")] Room),
    Short,
}

impl Hunger {
    /// A server on a small file system, or else one whose files cannot grow.
    pub(crate) fn disk(kib: u32) -> (Self, Server) {
        match Room::new(kib) {
            Ok(room) => {
                let server = Server::at(room.place());
                (Self::Full(room), server)
            }
            Err(reason) => {
                println!("no small file system here ({reason}); a limit on the size of files stands in for it");
                Self::file_size()
            }
        }
    }

    /// A server whose files cannot grow. The signal that comes with it is ignored, as the write's error is what counts.
    pub(crate) fn file_size() -> (Self, Server) {
        let before = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
        (Self::Short, Server::after(before.map(str::to_owned).to_vec()))
    }

    /// From now on nothing can be written, but over what is there.
    pub(crate) fn begins(&self, server: &Server) {
        match self {
            Self::Full(room) => {
                let mut filler = File::options().create(true).append(true).open(room.filler()).unwrap();
                for size in [65_536, 4096, 1] {
                    while filler.write_all(&vec![0; size]).is_ok() {}
                }
            }
            Self::Short => server.limit("--fsize=1:"),
        }
    }

    /// There is room again.
    pub(crate) fn ends(&self, server: &mut Server) {
        match self {
            Self::Full(room) => std::fs::remove_file(room.filler()).unwrap(),
            Self::Short if server.lives() => server.limit("--fsize=unlimited:"),
            // A new process has its own limits.
            Self::Short => {}
        }
    }
}
