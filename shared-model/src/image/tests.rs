extern crate std;
use std::vec;
use std::vec::Vec;

use super::*;

fn sampled(data: &[u8], width: usize, height: usize, rect: Rect, side: usize) -> Vec<f32> {
    let mut out = vec![0.0; side * side];
    sample(GrayView::new(data, width, height).unwrap(), &rect, side, &mut out);
    out.iter().map(|v| v * 255.0).collect()
}

fn close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-3, "{got:?} instead of {expected:?}");
    }
}

#[test]
fn same_size_copies_the_pixels() {
    let data: Vec<u8> = (0..16).map(|v| v * 16).collect();
    let expected: Vec<f32> = data.iter().map(|v| f32::from(*v)).collect();
    close(
        &sampled(
            &data,
            4,
            4,
            Rect {
                x: 0.0,
                y: 0.0,
                w: 4.0,
                h: 4.0,
            },
            4,
        ),
        &expected,
    );
}

#[test]
fn a_region_may_have_more_columns_than_rows_of_values() {
    let data: Vec<u8> = (0..24).map(|v| v * 10).collect();
    let rect = Rect {
        x: 2.0,
        y: 1.0,
        w: 3.0,
        h: 2.0,
    };
    let mut out = vec![0.0; 6];
    resample(GrayView::new(&data, 6, 4).unwrap(), &rect, [3, 2], &mut out);
    let got: Vec<f32> = out.iter().map(|v| v * 255.0).collect();
    close(&got, &[80.0, 90.0, 100.0, 140.0, 150.0, 160.0]);
}

#[test]
fn doubling_uses_half_pixel_centres() {
    // Columns 0 and 100 twice as wide: centres at 0.25, 0.75, 1.25, 1.75 of the source.
    let got = sampled(
        &[0, 100, 0, 100],
        2,
        2,
        Rect {
            x: 0.0,
            y: 0.0,
            w: 2.0,
            h: 2.0,
        },
        4,
    );
    close(&got[..4], &[0.0, 25.0, 75.0, 100.0]);
    close(&got[12..], &[0.0, 25.0, 75.0, 100.0]);
}

#[test]
fn shrinking_weighs_every_pixel() {
    // Four columns to two, triangle of half-width 2 around 1 and 3: weights 1.5 1.5 .5 (and .5 of
    // the replicated edge) over 4.
    let data: Vec<u8> = [0u8, 40, 80, 120].repeat(4);
    let got = sampled(
        &data,
        4,
        4,
        Rect {
            x: 0.0,
            y: 0.0,
            w: 4.0,
            h: 4.0,
        },
        2,
    );
    close(
        &got[..2],
        &[
            (0.5 * 0.0 + 1.5 * 0.0 + 1.5 * 40.0 + 0.5 * 80.0) / 4.0,
            (0.5 * 40.0 + 1.5 * 80.0 + 1.5 * 120.0 + 0.5 * 120.0) / 4.0,
        ],
    );
}

/// The definition, pixel by pixel.
fn by_definition(data: &[u8], width: usize, height: usize, rect: Rect, side: usize) -> Vec<f32> {
    let taps = |at: usize, from: f32, length: f32, end: usize| -> Vec<(usize, f32)> {
        let step = length / side as f32;
        let (centre, support) = (from + (at as f32 + 0.5) * step, step.max(1.0));
        let reached = (centre - support) as i32 - 1..=(centre + support) as i32 + 1;
        let weight = |pixel: i32| (1.0 - (pixel as f32 + 0.5 - centre).abs() / support).max(0.0);
        reached
            .map(|pixel| (pixel.clamp(0, end as i32 - 1) as usize, weight(pixel)))
            .collect()
    };
    let mut out = vec![];
    for row in 0..side {
        for column in 0..side {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (y, down) in taps(row, rect.y, rect.h, height) {
                for (x, along) in taps(column, rect.x, rect.w, width) {
                    sum += down * along * f32::from(data[y * width + x]);
                    weights += down * along;
                }
            }
            out.push(sum / weights);
        }
    }
    out
}

#[test]
fn any_size_and_place_is_the_mean_by_definition() {
    let (width, height) = (1800, 40);
    let data: Vec<u8> = (0..width * height).map(|at| (at * 7919 % 251) as u8).collect();
    let rect = |x, y, w, h| Rect { x, y, w, h };
    for (rect, side) in [
        (rect(20.3, 5.1, 33.7, 41.9), 48),
        (rect(-3.5, -20.0, 60.0, 99.0), SIDE),
        // Wider than what is summed at a time, and more columns than weights are kept of.
        (rect(-40.0, 2.0, 1790.0, 30.0), 7),
        (rect(100.0, -5.0, 1590.0, 40.0), SIDE + 9),
        // As few and as many taps along a row as there are ways to sum them up, and fewer.
        (rect(7.0, 4.0, 230.0, 30.0), 61),
        (rect(7.0, 4.0, 370.0, 30.0), 61),
        (rect(500.0, 0.0, 2.0, 3.0), 1),
        (rect(1780.0, 30.0, 50.0, 50.0), 20),
    ] {
        let got = sampled(&data, width, height, rect, side);
        let expected = by_definition(&data, width, height, rect, side);
        for (g, e) in got.iter().zip(&expected) {
            assert!((g - e).abs() < 0.01, "{g} instead of {e}: {rect:?}");
        }
    }
}

#[test]
fn outside_the_picture_the_edge_goes_on() {
    let data = [10, 20, 30, 40];
    close(
        &sampled(
            &data,
            2,
            2,
            Rect {
                x: -9.0,
                y: -9.0,
                w: 2.0,
                h: 2.0,
            },
            2,
        ),
        &[10.0; 4],
    );
    close(
        &sampled(
            &data,
            2,
            2,
            Rect {
                x: 1e9,
                y: 1e9,
                w: 2.0,
                h: 2.0,
            },
            2,
        ),
        &[40.0; 4],
    );
}

#[test]
fn stride_skips_the_padding() {
    let data = [1, 2, 99, 3, 4];
    let view = GrayView::with_stride(&data, 2, 2, 3).unwrap();
    assert_eq!(view.row(1), &[3, 4]);
    assert_eq!(view.row(7), &[3, 4]);
}

#[test]
fn every_so_many_rows_begin_with_the_first() {
    let data = [1, 2, 99, 3, 4, 99, 5, 6, 99, 7, 8];
    let view = GrayView::with_stride(&data, 2, 4, 3).unwrap();
    let rows = |every: usize| {
        let view = view.every(every);
        (0..view.height()).map(|y| view.row(y)[0]).collect::<Vec<u8>>()
    };
    assert_eq!(rows(0), [1, 3, 5, 7]);
    assert_eq!(rows(1), [1, 3, 5, 7]);
    assert_eq!(rows(2), [1, 5]);
    assert_eq!(rows(3), [1, 7]);
    assert_eq!(rows(9), [1]);
}

#[test]
fn part_is_what_a_rectangle_touches() {
    let data = [1, 2, 3, 99, 4, 5, 6, 99, 7, 8, 9];
    let view = GrayView::with_stride(&data, 3, 3, 4).unwrap();
    let rect = |x, y, w, h| Rect { x, y, w, h };
    let (part, at) = view.part(&rect(1.2, 0.9, 5.0, 0.2)).unwrap();
    assert_eq!((part.row(0), part.row(1), at), (&[2, 3][..], &[5, 6][..], [1, 0]));
    let (whole, at) = view.part(&rect(-9.0, -9.0, 99.0, 99.0)).unwrap();
    assert_eq!(
        (whole.width(), whole.height(), whole.row(2), at),
        (3, 3, &[7, 8, 9][..], [0, 0])
    );
    for outside in [
        rect(3.0, 0.0, 2.0, 2.0),
        rect(0.0, -2.0, 2.0, 2.0),
        rect(f32::NAN, 0.0, 1.0, 1.0),
    ] {
        assert!(view.part(&outside).is_none(), "{outside:?}");
    }
}

#[test]
fn refuses_sizes_that_do_not_fit() {
    for (len, w, h, stride) in [
        (4, 0, 2, 2),
        (4, 2, 0, 2),
        (3, 2, 2, 2),
        (9, 4, 2, 3),
        (4, 2, usize::MAX, 2),
    ] {
        assert!(
            GrayView::with_stride(&vec![0; len], w, h, stride).is_err(),
            "{len} {w} {h} {stride}"
        );
    }
}
