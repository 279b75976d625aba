//! What a desk and an operator do: blocks, time, restarts, and an older database beside the living log.

use std::path::PathBuf;

use proptest::prop_assert;
use reqwest::Method;
use serde_json::json;

use crate::play::{Checked, EXPIRED, Play, Standing};

impl Play {
    pub(crate) async fn block(&mut self, who: usize, lift: bool) -> Checked {
        let verb = if lift { "unblock" } else { "block" };
        let path = format!("devices/{}/{verb}", self.phones[who].device);
        let (status, reply) = self.world.desk(Method::POST, &path, Some(json!({ "by": "test desk" }))).await;
        if self.phones[who].void {
            return Ok(());
        }
        prop_assert!(status < 300 || self.phones[who].blocked != lift, "{}", reply);
        let was = self.phones[who].blocked;
        self.phones[who].blocked = !lift;
        if was && lift {
            let debits = self.phones[who].debits;
            self.check_debits(who, &[debits]).await?;
        }
        Ok(())
    }

    pub(crate) async fn later(&mut self, seconds: i64) -> Checked {
        self.world.advance(seconds).await;
        self.clock += seconds;
        Ok(())
    }

    pub(crate) async fn restart(&mut self) -> Checked {
        self.world.restart().await;
        // The test's clock is the server's memory.
        self.world.advance(self.clock).await;
        Ok(())
    }

    pub(crate) fn database(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.world.data()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.file_name().unwrap().to_string_lossy().contains("sqlite")).collect()
    }

    pub(crate) async fn save(&mut self) -> Checked {
        self.world.stop().await;
        let copy = tempfile::tempdir().unwrap();
        let files = self.database();
        assert!(!files.is_empty(), "no database");
        for file in files {
            std::fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
        }
        self.copy = Some(copy);
        self.world.start().await;
        self.world.advance(self.clock).await;
        for login in &mut self.logins {
            login.since_save = false;
        }
        for phone in &mut self.phones {
            phone.changed_since_save = false;
        }
        Ok(())
    }

    /// The log tells the older database what it has forgotten.
    pub(crate) async fn set_back(&mut self) -> Checked {
        let Some(copy) = &self.copy else { return Ok(()) };
        self.world.stop().await;
        for file in self.database() {
            std::fs::remove_file(file).unwrap();
        }
        for file in std::fs::read_dir(copy.path()).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, self.world.data().join(file.file_name().unwrap())).unwrap();
        }
        self.world.start().await;
        self.world.advance(self.clock).await;
        self.tally.set_back += 1;
        for at in 0..self.logins.len() {
            let (since, standing) = (self.logins[at].since_save, self.logins[at].standing);
            let seen = self.seen(at).await;
            // What was decided is never open again; what was open may be gone.
            match standing {
                Standing::Open => {
                    prop_assert!(matches!(seen, Standing::Open | Standing::Over), "{:?} from nothing", seen);
                    self.logins[at].owner = None;
                }
                Standing::Over if self.logins[at].given_up && self.age(at) < EXPIRED => self.logins[at].owner = None,
                decided => prop_assert!(seen == decided || seen == Standing::Over, "{:?} became {:?}", decided, seen),
            }
            prop_assert!(!since || seen == Standing::Over, "the copy knows what came after it");
            self.logins[at].standing = seen;
        }
        for who in 0..self.phones.len() {
            self.phones[who].shown = None;
            if self.phones[who].changed_since_save {
                self.phones[who].void = true;
            }
            let debits = self.phones[who].debits;
            self.check_debits(who, &[debits]).await?;
        }
        Ok(())
    }
}
