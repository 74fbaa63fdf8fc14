use super::*;

const STRIDE: f32 = 8.0;
const PLACE: [f32; 2] = [20.0, 12.0];

fn face(bounds: [f32; 4]) -> Target {
    Target {
        bounds,
        points: None,
        ignored: false,
    }
}

fn box_loss(fields: &[f32], face: &Target) -> (f64, Vec<f32>) {
    let mut gradient = vec![0.0; FIELDS];
    let mut losses = Losses::default();
    learn_box(STRIDE, PLACE, face, fields, &mut gradient, 1.0, &mut losses);
    (losses.boxes, gradient)
}

#[test]
fn gradients_of_boxes_are_those_of_finite_differences() {
    let wanted = face([10.0, 3.0, 27.0, 22.0]);
    // Inside, around, crossing, apart.
    for fields in [
        [0.1, 0.2, -0.9, -1.1],
        [0.05, 0.03, 0.9, 0.8],
        [0.7, -0.6, 0.3, -0.2],
        [4.0, 3.0, -0.6, -0.4],
    ] {
        let mut fields = [&[0.0], &fields[..], &[0.0; 10]].concat();
        let (_, gradient) = box_loss(&fields, &wanted);
        for at in 1..5 {
            let kept = fields[at];
            fields[at] = kept + 1e-3;
            let above = box_loss(&fields, &wanted).0;
            fields[at] = kept - 1e-3;
            let below = box_loss(&fields, &wanted).0;
            fields[at] = kept;
            let difference = ((above - below) / 2e-3) as f32;
            assert!(
                (gradient[at] - difference).abs() < 0.01 * difference.abs().max(1.0),
                "{at}: {gradient:?} {difference}"
            );
        }
    }
}

#[test]
fn gradients_of_scores_are_those_of_finite_differences() {
    for (logit, wanted) in [(-4.0, 0.0), (-1.0, 0.7), (0.5, 0.0), (2.0, 1.0), (30.0, 0.0)] {
        let mut gradient = 0.0;
        score(logit, wanted, &mut gradient, 1.0);
        let at = |logit| score(logit, wanted, &mut 0.0, 1.0);
        let difference = (at(logit + 1e-2) - at(logit - 1e-2)) / 2e-2;
        assert!(
            (gradient - difference).abs() < 0.01 * difference.abs().max(0.1),
            "{logit} {gradient} {difference}"
        );
    }
}

#[test]
fn equal_boxes_overlap_fully_and_far_ones_less_than_not_at_all() {
    let a = [1.0, 2.0, 5.0, 7.0];
    assert!((giou(&a, &a).0 - 1.0).abs() < 1e-6);
    assert!(giou(&a, &[100.0, 2.0, 105.0, 7.0]).0 < -0.5);
}

#[test]
fn a_face_is_learned_near_its_centre_on_levels_of_its_size() {
    let plane = Plane { columns: 8, rows: 6 };
    let planes = [plane, plane.behind(2), plane.behind(2).behind(2)];
    let count = |bounds| {
        let sample = Sample {
            pixels: Vec::new(),
            faces: vec![face(bounds)],
        };
        positives(&[sample], &planes)
    };
    // Eight pixels: four cells of stride 4 about its centre.
    assert_eq!(count([20.0, 20.0, 28.0, 28.0]), 4);
    // Fifteen: strides 4 and 8.
    assert!(count([17.0, 17.0, 32.0, 32.0]) > 4);
    let ignored = Target {
        ignored: true,
        ..face([20.0, 20.0, 28.0, 28.0])
    };
    assert_eq!(
        positives(
            &[Sample {
                pixels: Vec::new(),
                faces: vec![ignored]
            }],
            &planes
        ),
        0
    );
}

#[test]
fn ignored_boxes_take_no_part() {
    let plane = Plane { columns: 1, rows: 1 };
    let output = vec![1.0; CHANNELS[1]];
    let gradient_with = |faces| {
        let mut gradient = vec![0.0; output.len()];
        let samples = [Sample {
            pixels: Vec::new(),
            faces,
        }];
        head(1, plane, &samples, &output, &mut gradient, 1.0, &mut Losses::default());
        gradient
    };
    let ignored = Target {
        ignored: true,
        ..face([4.0, 4.0, 12.0, 12.0])
    };
    assert!(gradient_with(vec![ignored]).iter().all(|value| *value == 0.0));
    assert!(gradient_with(Vec::new())[0] > 0.0);
}
