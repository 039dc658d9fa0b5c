//! Backups are whole, found out when they are not, and overwrite nothing.

use std::fs;

use super::*;
use crate::admin::office::FailureKind;
use crate::admin::office::tests::office;

fn data() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("queue/0000000000000001.segment", "first"),
        ("queue/0000000000000002.segment", "second, torn"),
        ("queue/bodies/77", "large"),
        ("mailboxes/1/new/a.1", "hello"),
        ("mailboxes/1/tmp/b.1", "under way"),
        ("directory/log/0000000000000001.segment", "log"),
        ("directory/index/sled/db", "can be rebuilt"),
        ("keys/srs", "secret"),
    ] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn office_on(data: &Path) -> Office {
    Office { data: data.to_owned(), ..office() }
}

fn taken(data: &Path, to: &Path) -> BackupReport {
    take(&office_on(data), to, &mut |_| {}).unwrap()
}

#[test]
fn what_is_backed_up_is_verified_and_restored_as_it_was() {
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let to = place.path().join("monday");
    let report = taken(data.path(), &to);
    assert_eq!((report.files, report.recipients), (7, 12));
    let verified = verify(&to, &mut |_| {}).unwrap();
    assert!(verified.defects.is_empty(), "{:?}", verified.defects);
    let fresh = place.path().join("fresh");
    assert_eq!(restore(&to, &fresh, &mut |_| {}).unwrap().files, 6);
    for name in ["queue/0000000000000002.segment", "queue/bodies/77", "mailboxes/1/new/a.1", "keys/srs"] {
        assert_eq!(fs::read(fresh.join(name)).unwrap(), fs::read(data.path().join(name)).unwrap(), "{name}");
    }
    assert!(!fresh.join("directory/index").exists() && !fresh.join("mailboxes/1/tmp").exists());
}

#[test]
fn any_altered_lost_or_cut_file_is_found_and_never_restored() {
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let to = place.path().join("monday");
    taken(data.path(), &to);
    let segment = to.join("data/queue/0000000000000001.segment");
    let good = fs::read(&segment).unwrap();
    let breakages: [&dyn Fn(); 3] =
        [&|| fs::write(&segment, b"fIrst").unwrap(), &|| fs::write(&segment, b"fir").unwrap(), &|| {
            fs::remove_file(&segment).unwrap()
        }];
    for break_it in breakages {
        fs::write(&segment, &good).unwrap();
        break_it();
        assert_eq!(verify(&to, &mut |_| {}).unwrap().defects.len(), 1);
        let failure = restore(&to, &place.path().join("fresh"), &mut |_| {}).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(!place.path().join("fresh").exists());
    }
    fs::remove_file(to.join("manifest.json")).unwrap();
    assert_eq!(verify(&to, &mut |_| {}).unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn nothing_is_ever_overwritten() {
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let to = place.path().join("monday");
    taken(data.path(), &to);
    assert_eq!(take(&office_on(data.path()), &to, &mut |_| {}).unwrap_err().kind, FailureKind::Refused);
    let inside = data.path().join("backup");
    assert!(take(&office_on(data.path()), &inside, &mut |_| {}).unwrap_err().message.contains("lies in"));
    assert_eq!(restore(&to, data.path(), &mut |_| {}).unwrap_err().kind, FailureKind::Refused);
}

#[test]
fn a_manifest_that_points_outside_is_refused() {
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let to = place.path().join("monday");
    taken(data.path(), &to);
    let manifest = fs::read_to_string(to.join("manifest.json")).unwrap();
    for outside in ["../../etc/passwd", "/etc/passwd", ""] {
        fs::write(to.join("manifest.json"), manifest.replace("data/keys/srs", outside)).unwrap();
        assert_eq!(verify(&to, &mut |_| {}).unwrap_err().kind, FailureKind::Refused, "{outside}");
    }
}

#[test]
fn a_backup_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (data, place) = (data(), tempfile::tempdir().unwrap());
    let to = place.path().join("monday");
    taken(data.path(), &to);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&to), mode(&to.join("directory.json"))), (0o700, 0o600));
}
