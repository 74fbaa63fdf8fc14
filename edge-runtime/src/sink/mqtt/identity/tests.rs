mod attacks;

use super::*;

fn has_names(dir: &Path) -> bool {
    dir.join(NAMES).exists()
}

fn former<D>(identity: &Identity<D>) -> Vec<&str> {
    identity.former.iter().map(|(device, _)| device.as_str()).collect()
}

#[test]
fn former_names_are_known_until_they_are_cleaned() {
    let dir = tempfile::tempdir().unwrap();
    let note = |device| Identity::note(dir.path(), &[], device, "homeassistant");
    assert!(former(&note("a")).is_empty());
    assert!(former(&note("a")).is_empty());
    assert_eq!(former(&note("b")), ["a"]);
    let mut identity = note("c");
    assert_eq!(former(&identity), ["a", "b"]);
    identity.cleaned();
    assert!(former(&note("c")).is_empty());
    assert_eq!(former(&note("a")), ["c"]);
    // The same name under another prefix leaves its discovery behind.
    assert_eq!(former(&Identity::note(dir.path(), &[], "a", "ha")), ["c", "a"]);
}

#[test]
fn names_follow_the_outbox_to_another_directory() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = [old.path().to_path_buf(), new.path().to_path_buf()];
    Identity::note(old.path(), &[], "a", "ha");
    let mut identity = Identity::note(new.path(), &before, "b", "ha");
    assert_eq!(former(&identity), ["a"]);
    // Until the broker has confirmed, both directories know it.
    assert!(has_names(old.path()));
    assert_eq!(former(&Identity::note(new.path(), &before, "b", "ha")), ["a"]);
    assert_eq!(former(&Identity::note(new.path(), &[], "b", "ha")), ["a"]);
    identity.cleaned();
    assert!(!has_names(old.path()));
    assert!(former(&Identity::note(new.path(), &before, "b", "ha")).is_empty());
}

#[test]
fn a_name_that_stays_is_forgotten_elsewhere_at_once() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Identity::note(old.path(), &[], "a", "ha");
    let identity = Identity::note(new.path(), &[old.path().to_path_buf()], "a", "ha");
    assert!(former(&identity).is_empty());
    assert_eq!((has_names(old.path()), has_names(new.path())), (false, true));
}

#[test]
fn a_damaged_file_names_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "#/+ x\n", "a/b homeassistant\n", "a\n", "\u{0}\n", "../../x y\n"] {
        std::fs::write(dir.path().join(NAMES), text).unwrap();
        assert!(
            former(&Identity::note(dir.path(), &[], "a", "x")).is_empty(),
            "{text:?}"
        );
    }
}
