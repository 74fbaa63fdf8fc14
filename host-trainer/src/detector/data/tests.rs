use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::*;

const HEADER: &str = "image,source,group,split,width,height,kind,x,y,w,h,teacher_score,teacher_views,eye1_x,eye1_y,\
                      eye2_x,eye2_y,nose_x,nose_y,mouth1_x,mouth1_y,mouth2_x,mouth2_y,note\n";
const POINTS: &str = "1,2,3,2,2,3,1,4,3,4";

/// A directory with a picture of 8 x 6 pixels, `a.pgm`, and one of 1000 x 10, `long.pgm`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, width, height) in [("a.pgm", 8, 6), ("long.pgm", 1000, 10)] {
        let mut bytes = format!("P5 {width} {height} 255\n").into_bytes();
        bytes.extend((0..width * height).map(|at| (at % 256) as u8));
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn annotations_file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn read_csv(rows: &str) -> Result<Set, String> {
    let folder = folder();
    let faces = annotations_file(folder.path(), "faces.csv", &format!("{HEADER}{rows}"));
    Set::read(folder.path(), &faces, Part::Training).map_err(|error| error.to_string())
}

#[test]
fn reads_the_columns_of_the_shared_set() {
    let rows = format!(
        "a.pgm,lfw,g,train,8,6,hand,1,1,4,4,,,{POINTS},\na.pgm,lfw,g,train,8,6,ignore,5,1,4,4,,,,,,,,,,,,,\n\
         long.pgm,dtd,h,held,1000,10,none,,,,,,,,,,,,,,,,,\n"
    );
    let set = read_csv(&rows).unwrap();
    let [photo, long] = set.photos.as_slice() else {
        panic!("{set:?}")
    };
    assert_eq!((photo.faces.len(), photo.held, photo.is_empty()), (2, false, false));
    assert_eq!(photo.faces[0].bounds, [1.0, 1.0, 5.0, 5.0]);
    assert_eq!(photo.faces[0].points.unwrap()[4], [3.0, 4.0]);
    assert_eq!((photo.faces[1].kind, photo.faces[1].points), (Kind::Ignore, None));
    assert!(long.held && long.is_empty());
    assert_eq!(long.size(), [480, 5], "reduced");
    assert_eq!(set.fingerprint, read_csv(&rows).unwrap().fingerprint);
}

#[test]
fn bad_rows_are_refused_with_their_place() {
    let cases = [
        (
            "a.pgm,lfw,g,train,8,6,hand,1,1,x,4,,,,,,,,,,,,,\n",
            "line 2: 'x' is no number (w)",
        ),
        (
            "a.pgm,lfw,g,train,8,6,hand,1,1,inf,4,,,,,,,,,,,,,\n",
            "line 2: 'inf' is no number (w)",
        ),
        ("a.pgm,lfw,g,train,8,6,hand,9,1,3,4,,,,,,,,,,,,,\n", "line 2: box"),
        ("a.pgm,lfw,g,train,8,6,hand,1,1,0,4,,,,,,,,,,,,,\n", "line 2: box"),
        (
            "a.pgm,lfw,g,train,8,6,dog,1,1,3,4,,,,,,,,,,,,,\n",
            "line 2: kind is 'dog', expected hand",
        ),
        (
            "a.pgm,lfw,g,test,8,6,hand,1,1,3,4,,,,,,,,,,,,,\n",
            "line 2: split is 'test', expected train or held",
        ),
        (
            "a.pgm,lfw,g,train,8,6,hand,1,1,3,4,,,1,,,,,,,,,,\n",
            "line 2: '' is no number (eye1_y)",
        ),
        (
            "a.pgm,lfw,g,train,8,9,hand,1,1,3,4,,,,,,,,,,,,,\n",
            "8x6 pixels, its annotations say 8x9",
        ),
        (
            "b.pgm,lfw,g,train,8,6,hand,1,1,3,4,,,,,,,,,,,,,\n",
            "find picture 'b.pgm'",
        ),
        (
            "../a.pgm,lfw,g,train,8,6,hand,1,1,3,4,,,,,,,,,,,,,\n",
            "find picture '../a.pgm'",
        ),
        ("a.pgm,lfw\n", "line 2: "),
        (
            "a.pgm,wider,g,train,8,6,hand,1,1,3,4,,,,,,,,,,,,,\n",
            "no picture of the part",
        ),
        (
            "a.pgm,lfw,g,train,8,6,hand,1,1,3,4,,,,,,,,,,,,,\na.pgm,lfw,g,held,8,6,hand,1,1,3,4,,,,,,,,,,,,,\n",
            "line 3: 'a.pgm' has another source",
        ),
    ];
    for (rows, wanted) in cases {
        let error = read_csv(rows).unwrap_err();
        assert!(error.contains(wanted), "{error} should contain {wanted}");
    }
}

#[test]
fn says_which_column_is_missing() {
    let folder = folder();
    let faces = annotations_file(folder.path(), "faces.csv", "image,source\na.pgm,lfw\n");
    let error = Set::read(folder.path(), &faces, Part::Training)
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 1: no 'split'"), "{error}");
}

#[test]
fn held_out_sources_are_held_out_whatever_the_file_says() {
    let folder = folder();
    let rows = "a.pgm,caltech,g,train,8,6,hand,1,1,3,4,,,,,,,,,,,,,\n";
    let faces = annotations_file(folder.path(), "faces.csv", &format!("{HEADER}{rows}"));
    let set = Set::read(folder.path(), &faces, Part::HeldOut).unwrap();
    assert!(set.photos[0].held);
}

#[test]
fn reads_wider_s_own_list() {
    let folder = folder();
    let list = "a.pgm\n2\n1 1 4 4 0 0 0 0 0 0 \n0 0 3 3 0 0 0 1 0 0 \nlong.pgm\n0\n0 0 0 0 0 0 0 0 0 0 \n";
    let faces = annotations_file(folder.path(), "wider_face_train_bbx_gt.txt", list);
    let set = Set::read(folder.path(), &faces, Part::Training).unwrap();
    assert_eq!(
        set.photos[0].faces.iter().map(|face| face.kind).collect::<Vec<_>>(),
        [Kind::Face, Kind::Ignore]
    );
    assert!(set.photos[1].is_empty());
    let faces = annotations_file(folder.path(), "bad.txt", "a.pgm\n2\n1 1 4 4 0 0 0 0 0 0\n");
    let error = Set::read(folder.path(), &faces, Part::Training)
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 1: 'a.pgm' should have 2 boxes"), "{error}");
}

#[test]
fn reads_pascal_voc() {
    let folder = folder();
    let voc = tempfile::tempdir().unwrap();
    let object = |name: &str, right: &str| {
        let corners = format!("<xmin>1</xmin><ymin>1</ymin><xmax>{right}</xmax><ymax>5</ymax>");
        format!("<object><name>{name}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>\n")
    };
    let file = |objects: &str| {
        format!(
            "<annotation><filename>a.pgm</filename>\n<size><width>8</width><height>6</height></size>\n{objects}</annotation>"
        )
    };
    fs::write(
        voc.path().join("a.xml"),
        file(&(object("with_mask", "6") + &object("person", "7"))),
    )
    .unwrap();
    let set = Set::read(folder.path(), voc.path(), Part::Training).unwrap();
    assert_eq!(set.photos[0].faces.len(), 1);
    assert_eq!(set.photos[0].faces[0].bounds, [1.0, 1.0, 6.0, 5.0]);
    fs::write(voc.path().join("a.xml"), file(&object("face", "0"))).unwrap();
    let error = Set::read(folder.path(), voc.path(), Part::Training)
        .unwrap_err()
        .to_string();
    assert!(error.contains("a.xml, line 3: box"), "{error}");
}

#[test]
fn a_directory_without_annotations_is_all_its_pictures_without_a_face() {
    let folder = folder();
    for name in ["notes.txt", "._a.pgm", "b.heic"] {
        fs::write(folder.path().join(name), "none").unwrap();
    }
    fs::create_dir(folder.path().join("inner.pgm")).unwrap();
    let photos = pictures(folder.path()).unwrap();
    let names: Vec<&str> = photos.iter().map(|photo| photo.name.as_str()).collect();
    assert_eq!(names, ["a.pgm", "long.pgm"]);
    assert!(photos.iter().all(|photo| photo.held && photo.is_empty()));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(pictures(empty.path()), Err(SetError::Empty { .. })));
    fs::write(folder.path().join("b.png"), "no picture").unwrap();
    assert!(matches!(pictures(folder.path()), Err(SetError::Picture { .. })));
}

#[test]
fn beside_faces_is_the_largest_part_half_a_face_away_from_all_boxes() {
    let photo = |bounds: &[[f32; 4]]| Photo {
        name: "a".to_owned(),
        source: "s".to_owned(),
        held: true,
        scale: 1.0,
        faces: bounds
            .iter()
            .map(|bounds| Face {
                kind: Kind::Ignore,
                bounds: *bounds,
                points: None,
            })
            .collect(),
        pyramid: Gray {
            width: 400,
            height: 200,
            pixels: (0..400 * 200).map(|at| (at % 400 / 2) as u8).collect(),
        }
        .pyramid(),
    };
    assert_eq!(photo(&[]).beside_faces(), Some(photo(&[])));
    let right = photo(&[[20.0, 20.0, 60.0, 60.0], [80.0, 0.0, 100.0, 20.0]])
        .beside_faces()
        .unwrap();
    // The right one ends at 100, and half of its side farther the part begins.
    assert_eq!((right.size(), right.gray().pixels[0]), ([290, 200], 55));
    assert!(right.is_empty());
    let below = photo(&[[0.0, 0.0, 400.0, 20.0]]).beside_faces();
    assert_eq!(below, None, "half of a wide box is the whole picture");
    let narrow = photo(&[[60.0, 60.0, 340.0, 140.0]]).beside_faces();
    assert_eq!(narrow, None);
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_in_place_of_annotations_or_pictures_is_refused_and_not_waited_for() {
    let folder = folder();
    let own = |name: &str| folder.path().join(name);
    for name in [
        "faces.csv",
        "list.txt",
        "archive.zip",
        "voc/a.xml",
        "pipe.pgm",
        "checkpoint.bin",
    ] {
        fs::create_dir_all(own(name).parent().unwrap()).unwrap();
        testing::pipe(&own(name));
    }
    for (name, device) in [
        ("zero.csv", "/dev/zero"),
        ("zero.txt", "/dev/zero"),
        ("random.txt", "/dev/urandom"),
    ] {
        std::os::unix::fs::symlink(device, own(name)).unwrap();
    }
    let good = annotations_file(folder.path(), "good.txt", "a.pgm\n1\n1 1 4 4 0 0 0 0 0 0\n");
    let piped = annotations_file(folder.path(), "piped.txt", "pipe.pgm\n1\n1 1 4 4 0 0 0 0 0 0\n");
    let annotations = ["faces.csv", "list.txt", "voc", "zero.csv", "zero.txt", "random.txt"];
    let annotations = annotations.map(|name| (folder.path().to_owned(), own(name)));
    for (pictures, faces) in annotations.into_iter().chain([(own("archive.zip"), good)]) {
        let error = Set::read(&pictures, &faces, Part::Training).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{}: {error}", faces.display());
    }
    let error = Set::read(folder.path(), &piped, Part::Training).unwrap_err();
    assert!(matches!(error, SetError::Missing { .. }), "{error}");
    let error = crate::detector::checkpoint::Checkpoint::load(folder.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("no regular file"), "{error}");
}

#[test]
fn files_of_absurd_sizes_are_refused_before_they_take_all_memory() {
    let folder = folder();
    for (name, bytes) in [("huge.txt", 1_u64 << 40), ("huge.pgm", 1 << 40)] {
        fs::File::create(folder.path().join(name))
            .unwrap()
            .set_len(bytes)
            .unwrap();
    }
    let list = annotations_file(folder.path(), "list.txt", "huge.pgm\n1\n1 1 4 4 0 0 0 0 0 0\n");
    for faces in [folder.path().join("huge.txt"), list] {
        let error = Set::read(folder.path(), &faces, Part::Training)
            .unwrap_err()
            .to_string();
        assert!(error.contains("more than"), "{error}");
    }
}

#[test]
fn an_archive_whose_picture_unfolds_beyond_all_limits_is_refused() {
    let folder = folder();
    let path = folder.path().join("bomb.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let options = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("a.pgm", options).unwrap();
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 65 << 20), &mut zip).unwrap();
    zip.finish().unwrap();
    let list = annotations_file(folder.path(), "list.txt", "a.pgm\n1\n1 1 4 4 0 0 0 0 0 0\n");
    let error = Set::read(&path, &list, Part::Training).unwrap_err().to_string();
    assert!(error.contains("more than 64 MiB"), "{error}");
}

#[test]
fn a_row_of_the_shared_set_without_end_is_refused() {
    let row = "a".repeat(65 << 20);
    let error = read_csv(&row).unwrap_err();
    assert!(error.contains("no table"), "{error}");
}

#[test]
fn boxes_and_points_that_lie_nowhere_are_refused() {
    for row in [
        "a.pgm,lfw,g,train,8,6,hand,1,1,3e38,4,,,,,,,,,,,,,\n",
        "a.pgm,lfw,g,train,8,6,hand,-3e38,1,3.1e38,4,,,,,,,,,,,,,\n",
        "a.pgm,lfw,g,train,8,6,hand,1,1,4,4,,,1e38,2,3,2,2,3,1,4,3,4,\n",
    ] {
        let error = read_csv(row).unwrap_err();
        assert!(error.contains("outside the picture"), "{row}: {error}");
    }
    let folder = folder();
    for row in ["3e38 1 3e38 4", "1 -3e38 4 4", "1e7 1 4 4", "1 1 4 1e30"] {
        let list = annotations_file(folder.path(), "list.txt", &format!("a.pgm\n1\n{row} 0 0 0 0 0 0\n"));
        let error = Set::read(folder.path(), &list, Part::Training).unwrap_err().to_string();
        assert!(
            error.contains("line 3") && error.contains("outside the picture"),
            "{row}: {error}"
        );
    }
}

#[test]
fn counts_of_boxes_beyond_the_file_are_refused_with_their_place() {
    let folder = folder();
    for count in ["18446744073709551615", "99999999999999999999", "-1", "1e3", "2"] {
        let list = annotations_file(
            folder.path(),
            "list.txt",
            &format!("a.pgm\n{count}\n1 1 4 4 0 0 0 0 0 0\n"),
        );
        let error = Set::read(folder.path(), &list, Part::Training).unwrap_err().to_string();
        assert!(error.contains("line 1") || error.contains("line 2"), "{count}: {error}");
    }
}

#[test]
fn elements_that_nest_without_end_cost_no_more_than_their_length() {
    let folder = folder();
    let text = format!("<annotation>{}", "<a>x".repeat(200_000));
    let voc = folder.path().join("voc");
    fs::create_dir(&voc).unwrap();
    annotations_file(&voc, "a.xml", &text);
    let error = Set::read(folder.path(), &voc, Part::Training).unwrap_err();
    assert!(
        matches!(
            error,
            SetError::Row {
                wrong: Wrong::Broken(_),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn entities_that_unfold_without_end_are_refused() {
    let folder = folder();
    let mut text = String::from("<!DOCTYPE a [<!ENTITY e0 \"xxxxxxxxxx\">");
    for level in 1..12 {
        let inner = format!("&e{};", level - 1).repeat(10);
        write!(text, "<!ENTITY e{level} \"{inner}\">").unwrap();
    }
    text.push_str("]><annotation><filename>&e11;</filename></annotation>");
    let voc = folder.path().join("voc");
    fs::create_dir(&voc).unwrap();
    annotations_file(&voc, "a.xml", &text);
    let error = Set::read(folder.path(), &voc, Part::Training).unwrap_err();
    assert!(
        matches!(
            error,
            SetError::Row {
                wrong: Wrong::Broken(_),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn names_of_pictures_lead_out_of_no_directory() {
    let folder = folder();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let absolute = folder.path().join("a.pgm");
    for name in [
        "../a.pgm",
        "./../a.pgm",
        "x/../../a.pgm",
        "..",
        "/",
        absolute.to_str().unwrap(),
    ] {
        let list = annotations_file(folder.path(), "list.txt", &format!("{name}\n1\n1 1 4 4 0 0 0 0 0 0\n"));
        let error = Set::read(&inner, &list, Part::Training).unwrap_err();
        assert!(matches!(error, SetError::Missing { .. }), "{name}: {error}");
    }
}
