//! Keypoint files that are read and refused.

use std::io::Write;

use shared_model::image::INPUT_LEN;

use super::*;

const FACE: &str = "IMAGE";

/// A file with the columns in Kaggle's order; `FACE` stands for 9216 pixels of value 7.
fn file(rows: &[&str], extra: &str) -> tempfile::NamedTempFile {
    let names: Vec<String> = NAMES
        .iter()
        .flat_map(|n| [format!("{n}_x"), format!("{n}_y")])
        .collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{},Image{extra}", names.join(",")).unwrap();
    for row in rows {
        writeln!(file, "{}", row.replace(FACE, &"7 ".repeat(INPUT_LEN))).unwrap();
    }
    file
}

/// Coordinates 0, 1, 2, ... with some of them replaced.
fn coordinates(changed: &[(usize, &str)]) -> String {
    let mut all: Vec<String> = (0..2 * COUNT).map(|at| at.to_string()).collect();
    for (at, text) in changed {
        (*text).clone_into(&mut all[*at]);
    }
    all.join(",")
}

#[test]
fn reads_points_and_what_is_missing() {
    let row = format!("{},{FACE}", coordinates(&[(4, ""), (5, " "), (1, "-2.5")]));
    let file = file(&[&row], "");
    let (data, skipped) = read(file.path(), BadRows::Refuse).unwrap();
    assert_eq!(skipped, Skipped::default());
    assert_eq!(data.points[0].0[0], [0.0, -2.5]);
    assert_eq!(data.points[0].0[2], [0.0, 0.0]);
    assert_eq!(data.points[0].0[14], [28.0, 29.0]);
    assert!(!data.present[0][2] && data.present[0][3]);
    assert_eq!((data.faces.len(), data.faces.side(), data.rows), (1, 96, vec![1]));
    assert_eq!(data.faces.pixels(0), [7; INPUT_LEN]);
}

#[test]
fn a_missing_point_may_be_spelled_out() {
    let missing = ["NaN", "NA", "NULL", "none", "<NA>"];
    let rows = missing.map(|word| format!("{},{FACE}", coordinates(&[(4, word), (5, word)])));
    let file = file(&rows.each_ref().map(String::as_str), "");
    let (data, skipped) = read(file.path(), BadRows::Skip).unwrap();
    assert_eq!((skipped.rows.len(), data.faces.len()), (0, missing.len()));
    assert!(data.present.iter().all(|present| !present[2] && present[3]));
}

#[test]
fn coordinates_that_are_no_pixels_are_refused_with_what_was_expected() {
    let of = |scale: f32, shift: f32| {
        let all: Vec<String> = (0..2 * COUNT)
            .map(|at| (scale * (20.0 + 2.0 * at as f32) + shift).to_string())
            .collect();
        let file = file(&[&format!("{},{FACE}", all.join(","))], "");
        read(file.path(), BadRows::Skip).map_err(|error| error.to_string())
    };
    assert!(of(1.0, 0.0).is_ok());
    let cases = [
        (
            of(1.0 / 96.0, 0.0),
            "lie within 0 and 1, as shares; expected pixels of the picture, from 0",
            "multiply them by 96",
        ),
        (of(1.0 / 48.0, -1.0), "around 0", "multiply them by 48 and add 48"),
        (of(1.0, 90.0), "beyond the picture", "subtract"),
    ];
    for (read, found, cure) in cases {
        let error = read.unwrap_err();
        assert!(error.contains(found) && error.contains(cure), "{error}");
    }
}

#[test]
fn faces_of_another_side_become_those_of_the_networks_with_their_points() {
    let row = format!("{},{}", coordinates(&[]), "7 ".repeat(48 * 48));
    let other = format!("{},{}", coordinates(&[]), "8 ".repeat(48 * 48));
    let file = file(&[&row, &other], "");
    let (data, _) = read(file.path(), BadRows::Refuse).unwrap();
    assert_eq!((data.faces.side(), data.faces.len(), data.groups), (96, 2, vec![0, 1]));
    assert_eq!((data.points[0].0[0], data.points[0].0[14]), ([0.0, 2.0], [56.0, 58.0]));
    assert!(data.faces.pixels(0).iter().all(|pixel| *pixel == 7));
}

#[test]
fn columns_may_stand_in_any_order() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let names: Vec<String> = NAMES
        .iter()
        .rev()
        .flat_map(|n| [format!("{n}_y"), format!("{n}_x")])
        .collect();
    writeln!(file, "id,Image,{}", names.join(",")).unwrap();
    writeln!(file, "x,{},{}", "0 ".repeat(INPUT_LEN), coordinates(&[])).unwrap();
    let (data, _) = read(file.path(), BadRows::Refuse).unwrap();
    assert_eq!(data.points[0].0[14], [1.0, 0.0]);
    assert_eq!(data.points[0].0[0], [29.0, 28.0]);
}

#[test]
fn groups_are_people_or_else_exact_copies() {
    let points = coordinates(&[]);
    let named = |person: &str| format!("{points},{FACE},{person}");
    let people = [named("Ann"), named("Bo"), named("Ann"), named(""), named("")];
    let file = file(&people.each_ref().map(String::as_str), ",Group");
    let (data, _) = read(file.path(), BadRows::Refuse).unwrap();
    assert_eq!(data.groups, [0, 1, 0, 2, 2]);
}

#[test]
fn refuses_bad_cells_with_their_place() {
    let face = |changed: &[(usize, &str)]| format!("{},{FACE}", coordinates(changed));
    let points = coordinates(&[]);
    let cases = [
        (face(&[(20, "x1")]), "column 'nose_tip_x': 'x1' is no number"),
        (face(&[(21, "nan")]), "column 'nose_tip_y': empty, but"),
        (
            face(&[(4, "-1"), (5, "-1.0")]),
            "column 'left_eye_inner_corner_x': (-1, -1) is no place",
        ),
        (
            face(&[(4, "0"), (5, "0")]),
            "(0, 0) is no place in a face; leave both cells",
        ),
        (face(&[(0, "-inf")]), "column 'left_eye_center_x': '-inf' is no number"),
        (
            face(&[(0, "200")]),
            "column 'left_eye_center_x': coordinate 200 is not within -96 to 192 pixels",
        ),
        (face(&[(3, "")]), "column 'right_eye_center_y': empty, but"),
        (face(&[(2, "")]), "column 'right_eye_center_x': empty, but"),
        (format!("{points},1 2 3"), "column 'Image': 3 pixels, expected 9216"),
        (format!("{points},1 2 300"), "column 'Image': pixel 2 is '300'"),
        (points, "30 fields instead of 31"),
    ];
    for (row, message) in cases {
        let file = file(&[&face(&[]), &row], "");
        let error = read(file.path(), BadRows::Refuse).unwrap_err().to_string();
        assert!(error.contains("row 2 (line 3)") && error.contains(message), "{error}");
        let (data, skipped) = read(file.path(), BadRows::Skip).unwrap();
        assert_eq!(
            (data.faces.len(), data.points.len(), skipped.rows.len()),
            (1, 1, 1),
            "{message}"
        );
        assert_eq!(skipped.rows[0].row, 2);
    }
}

#[test]
fn refuses_files_without_faces_or_columns() {
    let empty = file(&[], "");
    assert!(matches!(
        read(empty.path(), BadRows::Refuse),
        Err(DataError::Empty { skipped: 0, .. })
    ));
    let bad = file(&["1"], "");
    assert!(matches!(
        read(bad.path(), BadRows::Skip),
        Err(DataError::Empty { skipped: 1, .. })
    ));
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let error = read(nothing.path(), BadRows::Skip).unwrap_err().to_string();
    assert!(error.contains("no column 'left_eye_center_x'"), "{error}");
}
