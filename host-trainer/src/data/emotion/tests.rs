//! Emotion files that are read and refused.

use std::io::Write;

use super::*;

fn file(header: &str, rows: &[String]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{header}\n{}", rows.join("\n")).unwrap();
    file
}

fn plain(value: u8, side: usize) -> String {
    vec![value.to_string(); side * side].join(" ")
}

fn nested(value: &str, side: usize) -> String {
    let row = format!("[{}]", vec![value; side].join(", "));
    format!("\"[{}]\"", vec![row; side].join(", "))
}

fn refused(file: &tempfile::NamedTempFile) -> String {
    read(file.path(), &ClassSet::product(), BadRows::Refuse)
        .unwrap_err()
        .to_string()
}

#[test]
fn maps_fer2013_numbers_to_classes_by_name() {
    // Angry Disgust Fear Happy Sad Surprise Neutral -> Angry Disgust - Happy(3) Sad(2) Surprise -
    let rows: Vec<String> = (0..7)
        .map(|label| format!("{label},{},Training", plain(label, 48)))
        .collect();
    let (data, skipped) = read(
        file("emotion,pixels,Usage", &rows).path(),
        &ClassSet::product(),
        BadRows::Refuse,
    )
    .unwrap();
    assert_eq!(data.labels, [0, 1, 3, 2, 4]);
    assert_eq!(data.rows, [1, 2, 4, 5, 6]);
    assert_eq!((skipped.outside_classes, skipped.rows.len()), (2, 0));
    assert_eq!((data.faces.side(), data.faces.pixels(2)[0], data.csv_rows), (48, 3, 7));
    assert_eq!(data.usage, Some(vec![Usage::Training; 5]));
}

#[test]
fn reads_the_columns_of_the_challenge_file_and_other_class_sets() {
    let rows = [
        format!("6,PublicTest,{}", plain(1, 96)),
        format!("4,PrivateTest,{}", plain(1, 96)),
    ];
    let classes = ClassSet::new(&["sad", "neutral"]).unwrap();
    let file = file("emotion, Usage, pixels", &rows);
    let (data, _) = read(file.path(), &classes, BadRows::Refuse).unwrap();
    assert_eq!((data.labels, data.groups), (vec![1, 0], vec![0, 0]));
    assert_eq!(data.usage, Some(vec![Usage::PublicTest, Usage::PrivateTest]));
    assert_eq!(data.faces.side(), 96);
}

#[test]
fn notebook_labels_are_already_the_products() {
    let rows = [format!("3,{}", nested("69.3", 96)), format!("2,{}", nested("73.5", 96))];
    let file = file("emotion,pixels", &rows);
    let (data, _) = read(file.path(), &ClassSet::product(), BadRows::Refuse).unwrap();
    assert_eq!((data.labels, data.usage), (vec![3, 2], None));
    assert_eq!((data.faces.pixels(0)[0], data.faces.pixels(1)[9215]), (69, 74));
}

#[test]
fn refuses_bad_cells_with_their_place() {
    let good = format!("0,{},Training", plain(5, 48));
    let face = plain(5, 48);
    let cases = [
        (
            format!("7,{face},Training"),
            "column 'emotion': label '7', expected a whole number from 0 to 6",
        ),
        (format!("-1,{face},Training"), "column 'emotion': label '-1'"),
        (format!(",{face},Training"), "column 'emotion': label ''"),
        (
            format!("0,{face},Test"),
            "column 'Usage': usage 'Test', expected Training, PublicTest",
        ),
        (
            format!("0,{face} 5,Training"),
            "column 'pixels': 2305 pixels, expected 2304 (48 x 48) as in",
        ),
        (
            format!("0,{},Training", plain(5, 96)),
            "column 'pixels': 9216 pixels, expected 2304",
        ),
        (
            format!("0,{},Training", nested("5.0", 48)),
            "column 'pixels': pixels in another form",
        ),
        ("0,,Training".to_owned(), "column 'pixels': 0 pixels"),
    ];
    for (row, message) in cases {
        let file = file("emotion,pixels,Usage", &[good.clone(), row, good.clone()]);
        let error = refused(&file);
        assert!(error.contains("row 2 (line 3)") && error.contains(message), "{error}");
        let (data, skipped) = read(file.path(), &ClassSet::product(), BadRows::Skip).unwrap();
        assert_eq!((data.faces.len(), data.labels.len(), skipped.rows.len()), (2, 2, 1));
        assert_eq!(data.rows, [1, 3]);
    }
}

#[test]
fn a_broken_first_row_decides_neither_side_nor_kind() {
    let rows = [
        "1,".to_owned(),
        "1,\"[[1]]\"".to_owned(),
        format!("1,{}", nested("8", 96)),
    ];
    let file = file("emotion,pixels", &rows);
    let (data, skipped) = read(file.path(), &ClassSet::product(), BadRows::Skip).unwrap();
    assert_eq!((data.faces.side(), data.labels, data.rows), (96, vec![1], vec![3]));
    assert_eq!(skipped.rows.len(), 2);
}

#[test]
fn labels_by_name_and_faces_of_other_sides_are_read() {
    let rows = [
        format!("happiness,{}", plain(1, 64)),
        format!("Sad,{}", plain(2, 64)),
        format!("contempt,{}", plain(3, 64)),
    ];
    let file = file("emotion,pixels", &rows);
    let (data, skipped) = read(file.path(), &ClassSet::product(), BadRows::Refuse).unwrap();
    assert_eq!(
        (data.labels, data.faces.side(), skipped.outside_classes),
        (vec![3, 2], 64, 1)
    );
    let small = self::file("emotion,pixels", &[format!("3,{}", plain(1, 23))]);
    assert!(refused(&small).contains("529 pixels, expected 576 (24 x 24) or a larger square"));
}

#[test]
fn numbers_of_pandas_and_numbers_that_were_told_are_read() {
    let rows = [format!("3.0,{}", plain(1, 48)), format!("1.0,{}", plain(1, 48))];
    let file = file("emotion,pixels", &rows);
    let (data, _) = read(file.path(), &ClassSet::product(), BadRows::Refuse).unwrap();
    assert_eq!(data.labels, [3, 1]);
    let labels = ["Angry", "Happy", "Disgust", "Sad", "Surprise"].map(str::to_owned);
    let reading = Reading {
        bad_rows: BadRows::Refuse,
        outside: Outside::LeaveOut,
        labels: &labels,
    };
    let (data, _) = read_with(file.path(), &ClassSet::product(), reading).unwrap();
    assert_eq!(data.labels, [2, 3]);
}

#[test]
fn refuses_classes_that_the_file_cannot_hold_and_files_without_rows() {
    let contempt = ClassSet::new(&["Happy", "Contempt"]).unwrap();
    let some = file("emotion,pixels", &[format!("3,{}", plain(1, 48))]);
    let error = read(some.path(), &contempt, BadRows::Refuse).unwrap_err().to_string();
    assert!(
        error.contains("class 'Contempt' is none of its labels (Angry, Disgust, Fear"),
        "{error}"
    );
    let fear = file("emotion,pixels", &[format!("2,{}", plain(1, 48))]);
    assert!(refused(&fear).contains("no usable row (0 bad, 1 of other classes)"));
    assert!(refused(&file("emotion,pixels", &[])).contains("no usable row"));
    assert!(refused(&file("emotion,image", &[])).contains("no column 'pixels'"));
}

#[test]
fn cells_that_are_no_numbers_are_refused_with_their_place_whatever_they_look_like() {
    let (good, rest) = (format!("3,{},Training", plain(7, 48)), plain(7, 48));
    let rest = rest.split_once(' ').unwrap().1;
    let pixels = [
        "nan",
        "NaN",
        "inf",
        "-1",
        "256",
        "1e2",
        "1e999",
        "7.5",
        "0x10",
        "+7",
        "٣",
        "7\u{0}",
        "\u{202e}7",
    ];
    let pixels = pixels.map(|cell| (format!("3,{cell} {rest},Training"), "column 'pixels'"));
    let labels = ["nan", "1e18", "99999999999999999999", "3.5", "--", "=1+1", "\u{1b}[2J"];
    let labels = labels.map(|cell| (format!("{cell},{},Training", plain(7, 48)), "column 'emotion'"));
    let usage = ["=cmd|calc", "\u{1b}[31mTraining"].map(|cell| (format!("3,7 {rest},{cell}"), "column 'Usage'"));
    for (row, place) in pixels.into_iter().chain(labels).chain(usage) {
        let error = refused(&file("emotion,pixels,Usage", &[good.clone(), row.clone()]));
        assert!(error.contains("row 2 (line 3)") && error.contains(place), "{error}");
    }
}

#[test]
fn quotes_and_ends_of_lines_in_odd_places_are_read_as_they_are_or_refused() {
    let face = plain(7, 48);
    let good = format!("3,{face},Training");
    let lines = face.replace(' ', "\n");
    let rows = |header: &str, rows: &[&str], end: &str| [&[header], rows].concat().join(end) + end;
    let read = |text: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let read = read(file.path(), &ClassSet::product(), BadRows::Refuse);
        read.map(|(data, _)| data.labels.len())
            .map_err(|error| error.to_string())
    };
    let header = "emotion,pixels,Usage";
    for end in ["\n", "\r\n", "\r", "\n\r", "\n\n\n"] {
        assert_eq!(read(&rows(header, &[&good, &good], end)), Ok(2), "{end:?}");
    }
    assert_eq!(
        read(&rows(header, &[&format!("\"3\",\"{lines}\",\"Training\"")], "\n")),
        Ok(1)
    );
    assert_eq!(read(&rows(&format!("\u{feff}{header}"), &[&good], "\n")), Ok(1));
    let many = format!("{header},{}", "x,".repeat(1 << 20));
    for (text, named) in [
        (
            rows(header, &[&good, &format!("3,\"{face},Training"), &good, &good], "\n"),
            "row 2 (line 3): 2 fields",
        ),
        (
            rows(header, &[&format!("3,{},Training", "\"".repeat(100_001))], "\n"),
            "row 1 (line 2): 2 fields",
        ),
        (
            rows(header, &[&format!("3\n,{face},Training")], "\n"),
            "row 1 (line 2): 1 fields",
        ),
        (
            rows(header, &[&good, &"\0".repeat(1 << 20)], "\n"),
            "row 2 (line 3): 1 fields",
        ),
        (
            rows("\"emotion\nx\",pixels,Usage", &[&good], "\n"),
            "no column 'emotion'",
        ),
        (rows("emotion\0,pixels,Usage", &[&good], "\n"), "no column 'emotion'"),
        (rows("emotion,pixels,pixels,Usage", &[&good], "\n"), "stands twice"),
        (rows(&many, &[&good], "\n"), "3 fields instead of"),
        ("\n".repeat(1 << 20), "no column 'emotion'"),
        (header.to_owned(), "no usable row"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(named), "{named}: {}", &error[..error.len().min(400)]);
    }
}
