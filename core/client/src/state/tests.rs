use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::entropy::tests::Seeded;

const STATE: &[u8] = b"what the phone must not forget";

fn open(directory: &Path) -> Result<Profile, StoreError> {
    Profile::open(directory, &Wrapping::KeyFile, Seeded::entropy(1))
}

fn passphrase(text: &str) -> Wrapping {
    Wrapping::Passphrase(Passphrase::new(text.to_owned()))
}

/// A profile with one saved state, closed again.
fn saved() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).unwrap().file("state").save(STATE).unwrap();
    directory
}

fn load(directory: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(open(directory)?.file("state").load()?.map(|blob| blob.to_vec()))
}

#[test]
fn what_is_saved_is_loaded_by_the_next_process_and_lies_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    let profile = open(&path).unwrap();
    let file = profile.file("state");
    assert_eq!(file.load().unwrap(), None);
    for blob in [STATE, b"", &[7; 100_000], STATE] {
        file.save(blob).unwrap();
        assert_eq!(file.load().unwrap().unwrap().as_slice(), blob);
    }
    assert_eq!(profile.method(), Method::KeyFile);
    drop((profile, file));
    assert_eq!(load(&path).unwrap().unwrap(), STATE);
    let mut names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "profile", "state.sealed", "wrapping.key"]);
    let sealed = fs::read(path.join("state.sealed")).unwrap();
    assert!(!sealed.windows(8).any(|window| STATE.windows(8).any(|plain| plain == window)));
}

#[test]
fn the_same_blob_never_lies_there_twice_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let file = open(directory.path()).unwrap().file("state");
    let sealed = || {
        file.save(STATE).unwrap();
        fs::read(file.path()).unwrap()
    };
    assert_ne!(sealed(), sealed());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_anything_and_what_they_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("profile");
    open(&directory).unwrap().file("state").save(STATE).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in ["profile", "state.sealed", "wrapping.key", "lock"] {
        let path = directory.join(name);
        assert_eq!(mode(&path), 0o600, "{name}");
    }
    for name in ["profile", "state.sealed", "wrapping.key"] {
        let path = directory.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(&directory), Err(StoreError::TooOpen { path: named }) if named == path), "{name}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(load(&directory).unwrap().unwrap(), STATE);
}

#[test]
fn every_truncation_and_every_flipped_bit_fails_closed_and_changes_nothing() {
    let directory = saved();
    for name in ["state.sealed", "profile", "wrapping.key"] {
        let path = directory.path().join(name);
        let good = fs::read(&path).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            bad.push(flipped);
        }
        bad.push([good.as_slice(), &[0]].concat());
        for bytes in bad {
            fs::write(&path, &bytes).unwrap();
            let error = load(directory.path()).expect_err("opened a damaged file");
            let expected = match error {
                StoreError::Damaged | StoreError::Newer => true,
                // The header's method byte, flipped: the key is then looked for elsewhere, and is not there.
                StoreError::OtherMethod { .. } => name == "profile",
                _ => false,
            };
            assert!(expected, "{name}: {error}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name} was changed");
        }
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(load(directory.path()).unwrap().unwrap(), STATE);
}

#[test]
fn swapped_files_fail_closed() {
    // Two files of one profile.
    let directory = saved();
    let profile = open(directory.path()).unwrap();
    profile.file("keys").save(b"keys").unwrap();
    let (state, keys) = (profile.file("state"), profile.file("keys"));
    fs::copy(keys.path(), state.path()).unwrap();
    assert!(matches!(state.load(), Err(StoreError::Damaged)));
    assert_eq!(keys.load().unwrap().unwrap().as_slice(), b"keys");
    drop((profile, state, keys));
    // The same file of another profile, alone and with its key.
    let other = tempfile::tempdir().unwrap();
    let foreign = Profile::open(other.path(), &Wrapping::KeyFile, Seeded::entropy(2)).unwrap();
    foreign.file("state").save(b"foreign").unwrap();
    for name in ["state.sealed", "wrapping.key"] {
        fs::copy(other.path().join(name), directory.path().join(name)).unwrap();
        assert!(matches!(load(directory.path()), Err(StoreError::Damaged)), "{name}");
    }
}

#[test]
fn a_profile_without_its_header_or_key_is_not_begun_anew() {
    let directory = saved();
    let (header, key) = (directory.path().join("profile"), directory.path().join("wrapping.key"));
    let good = fs::read(&header).unwrap();
    fs::remove_file(&header).unwrap();
    assert!(matches!(load(directory.path()), Err(StoreError::Damaged)));
    fs::write(&header, good).unwrap();
    #[cfg(unix)]
    fs::set_permissions(&header, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(load(directory.path()), Err(StoreError::KeyMissing)));
    assert!(!key.exists());
}

#[test]
fn one_process_at_a_time() {
    let directory = saved();
    let first = open(directory.path()).unwrap();
    let file = first.file("state");
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(&error, StoreError::InUse { path } if path == directory.path()), "{error}");
    // A file keeps the lock as long as it may still be written.
    drop(first);
    assert!(matches!(open(directory.path()), Err(StoreError::InUse { .. })));
    drop(file);
    open(directory.path()).unwrap();
}

#[test]
fn a_killed_save_leaves_the_old_state_and_the_next_one_works() {
    let directory = saved();
    fs::write(directory.path().join("state.sealed.new"), b"half a fi").unwrap();
    assert_eq!(load(directory.path()).unwrap().unwrap(), STATE);
    open(directory.path()).unwrap().file("state").save(b"next").unwrap();
    assert_eq!(load(directory.path()).unwrap().unwrap(), b"next");
    assert!(!directory.path().join("state.sealed.new").exists());
}

#[test]
fn a_failed_save_keeps_the_earlier_state() {
    let directory = saved();
    let file = open(directory.path()).unwrap().file("state");
    // Nothing can be renamed over a directory that is not empty, nor created under its name.
    fs::create_dir_all(directory.path().join("state.sealed.new/x")).unwrap();
    let error = file.save(b"next").unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(file.load().unwrap().unwrap().as_slice(), STATE);
    assert!(matches!(file.save(&vec![0; 5 << 20]), Err(StoreError::TooLarge)));
}

#[test]
fn a_passphrase_opens_and_nothing_else_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let entropy = || Seeded::entropy(1);
    let short = Profile::open(path, &passphrase("elleve tegn"), entropy());
    assert!(matches!(short, Err(StoreError::PassphraseTooShort)));
    let right = passphrase("blåbærgrød på en tirsdag");
    let profile = Profile::open(path, &right, entropy()).unwrap();
    assert_eq!(profile.method(), Method::Passphrase);
    profile.file("state").save(STATE).unwrap();
    drop(profile);
    assert!(!path.join("wrapping.key").exists());
    let open = |wrapping: &Wrapping| Profile::open(path, wrapping, entropy());
    assert!(matches!(open(&passphrase("blåbærgrød på en onsdag")), Err(StoreError::PassphraseWrong)));
    assert!(matches!(open(&passphrase("x")), Err(StoreError::PassphraseWrong)));
    // The recorded method wins: no key store and no key file takes its place.
    assert!(matches!(open(&Wrapping::Automatic), Err(StoreError::PassphraseNeeded)));
    assert!(matches!(open(&Wrapping::KeyFile), Err(StoreError::OtherMethod { .. })));
    assert!(matches!(open(&Wrapping::OsKeyStore), Err(StoreError::OtherMethod { .. })));
    assert_eq!(open(&right).unwrap().file("state").load().unwrap().unwrap().as_slice(), STATE);
    let either = Wrapping::AutomaticOr(Passphrase::new("blåbærgrød på en tirsdag".to_owned()));
    assert_eq!(open(&either).unwrap().method(), Method::Passphrase);
}

#[test]
fn a_newer_profile_is_left_alone() {
    let directory = saved();
    for name in ["profile", "state.sealed"] {
        let path = directory.path().join(name);
        let good = fs::read(&path).unwrap();
        let mut newer = good.clone();
        newer[4] += 1;
        fs::write(&path, newer).unwrap();
        assert!(matches!(load(directory.path()), Err(StoreError::Newer)), "{name}");
        fs::write(&path, good).unwrap();
    }
}

#[test]
fn no_secret_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let profile = open(directory.path()).unwrap();
    let file = profile.file("state");
    let keys = Arc::new(MemoryStore::default());
    keys.save(b"secret").unwrap();
    let wrapping = passphrase("blåbærgrød på en tirsdag");
    let printed = format!("{profile:?} {file:?} {keys:?} {wrapping:?}");
    let key = fs::read(directory.path().join("wrapping.key")).unwrap();
    assert!(!printed.contains("secret") && !printed.contains("grød"), "{printed}");
    assert!(!printed.contains(&format!("{:?}", &key[..4])), "{printed}");
}
