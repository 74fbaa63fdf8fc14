use std::sync::Arc;

use super::*;

const STREAM: &[u8] = b"YUV4MPEG2 W1 H1 F10:1 Cmono\nFRAME\nxFRAME\ny";

/// Name, number and time of every frame, errors as text.
fn all(source: &mut Files, most: usize) -> Vec<String> {
    let (mut seen, mut frame) = (Vec::new(), Frame::default());
    while seen.len() < most {
        match source.read(&mut frame) {
            Ok(Next::End) => break,
            Ok(Next::Nothing) => {}
            Ok(Next::Frame) => {
                let name = Path::new(&*frame.input).file_name().unwrap().to_string_lossy();
                seen.push(format!("{name} {} {}", frame.number, frame.time_ms));
            }
            Err(error) => seen.push(error.to_string()),
        }
    }
    seen
}

fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("b.pgm", &b"P5 1 1 255\n\x07"[..]),
        ("a.PGM", b"P5 1 1 255\n\x07"),
        ("c.y4m", STREAM),
        ("d.png", b"no picture"),
        ("e.pgm", b"P5 1 1 255\n\x07"),
        ("notes.txt", b"none"),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

#[test]
fn directory_is_read_in_the_order_of_names_and_goes_on_behind_a_bad_file() {
    let dir = dir();
    let mut source = Files::new(vec![Input::Path(dir.path().into())], Repeat::Once, 50);
    let seen = all(&mut source, 20);
    assert_eq!(seen[..4], ["a.PGM 0 0", "b.pgm 0 50", "c.y4m 0 100", "c.y4m 1 200"]);
    assert!(seen[4].contains("d.png") && seen[4].contains("neither"), "{}", seen[4]);
    assert_eq!(seen[5..], ["e.pgm 0 350"]);
}

#[test]
fn repeating_goes_on_in_time() {
    let dir = dir();
    let inputs = vec![
        Input::Path(dir.path().join("c.y4m")),
        Input::Path(dir.path().join("b.pgm")),
    ];
    let mut source = Files::new(inputs, Repeat::Forever, 50);
    let seen = all(&mut source, 5);
    assert_eq!(
        seen,
        ["c.y4m 0 0", "c.y4m 1 100", "b.pgm 0 200", "c.y4m 0 250", "c.y4m 1 350"]
    );
}

#[test]
fn repeating_ends_when_nothing_can_be_read() {
    let dir = dir();
    let mut source = Files::new(vec![Input::Path(dir.path().join("d.png"))], Repeat::Forever, 50);
    assert_eq!(all(&mut source, 20).len(), 1);
}

#[test]
fn missing_files_and_empty_directories_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = vec![Input::Path(dir.path().join("none.png")), Input::Path(dir.path().into())];
    let seen = all(&mut Files::new(inputs, Repeat::Once, 50), 20);
    assert!(seen[0].contains("none.png") && seen[0].contains("no such file"));
    assert!(seen[1].contains("holds no picture"));
    assert_eq!(seen.len(), 2);
}

#[test]
fn damaged_stream_gives_its_good_frames_and_one_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.y4m");
    fs::write(&path, &STREAM[..STREAM.len() - 1]).unwrap();
    let seen = all(&mut Files::new(vec![Input::Path(path)], Repeat::Once, 50), 20);
    assert_eq!(seen[0], "x.y4m 0 0");
    assert!(seen[1].contains("frame 1"), "{}", seen[1]);
    assert_eq!(seen.len(), 2);
}

#[test]
fn streams_that_are_too_slow_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.y4m");
    for (rate, slow) in [("1:2", false), ("10:21", true), ("1:90", true)] {
        let stream = String::from_utf8_lossy(STREAM).replace("10:1", rate);
        fs::write(&path, stream).unwrap();
        let source = Files::new(vec![Input::Path(path.clone())], Repeat::Once, 50);
        let seen = all(&mut source.no_slower_than(Duration::from_secs(2)), 20);
        assert_eq!(seen.len(), if slow { 1 } else { 2 }, "{seen:?}");
        assert_eq!(seen[0].contains("x.y4m: a frame every"), slow, "{seen:?}");
    }
}

#[test]
fn a_file_of_many_jpeg_pictures_is_a_stream_whatever_it_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let picture = testing::jpeg::gradient();
    // One that says that others belong to it: what a telephone writes.
    let mut telephone = picture[..2].to_vec();
    telephone.extend(b"\xff\xe2\0\x06MPF\0");
    telephone.extend(&picture[2..]);
    for (name, file, frames) in [
        ("a.mjpeg", picture.repeat(3), 3),
        ("a.jpg", picture.repeat(3), 3),
        (
            "a.mjpg",
            [&b"--next\r\n\r\n"[..], &picture, b"\r\n--next\r\n", &picture].concat(),
            2,
        ),
        ("a.jfif", picture.clone(), 1),
        ("b.jpg", [&picture[..], b"trailer"].concat(), 1),
        ("c.jpg", [telephone, picture.clone()].concat(), 1),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, file).unwrap();
        let mut source = Files::new(vec![Input::Path(path.clone()), Input::Path(path)], Repeat::Once, 40);
        let expected: Vec<String> = (0..2 * frames)
            .map(|at| format!("{name} {} {}", at % frames, 40 * at))
            .collect();
        assert_eq!(all(&mut source, 20), expected);
    }
}

#[test]
fn a_damaged_picture_of_a_stream_is_an_error_and_the_next_ones_come() {
    let dir = tempfile::tempdir().unwrap();
    let good = testing::jpeg::gradient();
    let mut bad = good.clone();
    let middle = bad.len() - 30;
    bad.drain(middle..middle + 20);
    let path = dir.path().join("a.mjpeg");
    fs::write(&path, [&good[..], &bad, &good].concat()).unwrap();
    let seen = all(&mut Files::new(vec![Input::Path(path)], Repeat::Once, 40), 20);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen[1].contains("a.mjpeg frame 1"), "{}", seen[1]);
    assert_eq!((&*seen[0], &*seen[2]), ("a.mjpeg 0 0", "a.mjpeg 2 80"));
}

#[test]
fn what_is_left_out_of_a_directory_is_told_once() {
    let dir = dir();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let source = Files::new(vec![Input::Path(dir.path().into())], Repeat::Forever, 50);
    let mut source = source.with_log(move |message| sink.lock().unwrap().push(message.to_owned()));
    all(&mut source, 14);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("1 file left out: notes.txt"), "{}", told[0]);
}

#[test]
fn dash_is_standard_input() {
    assert_eq!(Input::parse("-"), Input::Stdin);
    assert_eq!(Input::parse("-.png"), Input::Path("-.png".into()));
}
