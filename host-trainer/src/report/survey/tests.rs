//! Figures worked out by hand.

use shared_model::emotion::ClassSet;
use shared_model::keypoints::Keypoints;

use super::*;
use crate::data::Faces;

#[test]
fn figures_are_those_of_pandas() {
    // pandas.Series([1, 2, 4, 9]).describe()
    let own = Description::of(&[9.0, 1.0, 4.0, 2.0]);
    assert_eq!(
        (own.count, own.mean, own.quartiles),
        (4, 4.0, [1.0, 1.75, 3.0, 5.25, 9.0])
    );
    assert!((own.deviation - 3.559_026_084).abs() < 1e-8);
    assert!(Description::of(&[]).quartiles[2].is_nan());
}

#[test]
fn a_survey_names_classes_conflicts_and_the_majority() {
    let data = EmotionData {
        classes: ClassSet::new(&["Angry", "Happy"]).unwrap(),
        faces: Faces::new(2, vec![1, 1, 1, 1, 9, 8, 7, 6, 9, 8, 7, 6]).unwrap(),
        labels: vec![0, 1, 0],
        labelled: vec![true; 3],
        votes: None,
        sets: vec![0],
        usage: None,
        groups: vec![0, 1, 1],
        rows: vec![4, 5, 6],
        csv_rows: 6,
    };
    let survey = Survey::of(&Data::Emotion(data), None, Some(&AugmentConfig::honest())).unwrap();
    let text = survey.text();
    for part in [
        "always tells Angry is right on 66.7 %",
        "rows 5 (Happy) and 6 (Angry)",
        "faces of one single grey",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = survey.html();
    assert!(page.contains("<h3>rotation_degrees</h3>") && !page.contains("<h3>noise</h3>"));
    assert!(page.contains("Happy, row 5") && !page.contains("<script"));
}

#[test]
fn missing_points_are_counted_and_the_mean_shape_is_measured() {
    let mut present = vec![[true; COUNT]; 2];
    present[1][3] = false;
    let data = KeypointData {
        faces: Faces::new(2, vec![1, 2, 3, 4, 5, 6, 7, 8]).unwrap(),
        points: vec![Keypoints([[10.0, 20.0]; COUNT]), Keypoints([[14.0, 20.0]; COUNT])],
        present,
        groups: vec![0, 1],
        rows: vec![1, 2],
    };
    let survey = Survey::of(&Data::Keypoints(data), None, None).unwrap();
    let text = survey.text();
    assert!(text.contains("All 15 points are known on 1 faces"), "{text}");
    let line = text
        .lines()
        .find(|line| line.contains("left_eye_outer_corner_x"))
        .unwrap();
    assert!(
        line.split_whitespace().eq([
            "left_eye_outer_corner_x",
            "1",
            "1",
            "10.00",
            "0.00",
            "10.00",
            "10.00",
            "10.00",
            "10.00",
            "10.00"
        ]),
        "{line}"
    );
    // 14 of 15 points have x 2 px beside their mean on both faces, in 58 coordinates.
    assert!(text.contains("1.93"), "{text}");
    assert!(survey.html().contains("<circle"), "points are drawn");
}
