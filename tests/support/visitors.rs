//! Films of visitors, composed of pictures: somebody who keeps a face, and somebody who talks.

use inference::picture::Picture;
use shared_model::image::{GrayView, Rect, sample};

/// Length of each film.
pub(crate) const SECONDS: u64 = 30;

/// Frames a second of somebody who stands there.
const STILL_RATE: u64 = 5;
/// Frames a second of somebody who talks, and how many of a talker's stills are reached in it: as many as syllables.
const TALK_RATE: u64 = 15;
const STILLS_PER_SECOND: f32 = 4.0;
/// Grey values by which a pixel's noise differs from 0, at most.
const NOISE: f32 = 4.0;

/// Numbers from -1 to 1 that are the same in every run (SplitMix64, Steele and others 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

pub(crate) fn header(side: usize, rate: u64) -> Vec<u8> {
    format!("YUV4MPEG2 W{side} H{side} F{rate}:1 Ip Cmono\n").into_bytes()
}

fn grey(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// A film of somebody who stands before the camera: the portrait sways, comes nearer, the light changes, and each pixel
/// has noise of its own.
pub(crate) fn standing(portrait: &Picture, seed: u64) -> Vec<u8> {
    const SIDE: usize = 256;
    let view = portrait.gray().unwrap();
    let mut draws = Draws(seed);
    let mut film = header(SIDE, STILL_RATE);
    let [mut across, mut down, mut zoom, mut light] = [0.0_f32; 4];
    for _ in 0..SECONDS * STILL_RATE {
        for value in [&mut across, &mut down, &mut zoom, &mut light] {
            *value = 0.8 * *value + 0.4 * draws.next();
        }
        let step = view.width() as f32 / SIDE as f32 * (1.0 + 0.05 * zoom);
        film.extend_from_slice(b"FRAME\n");
        for row in 0..SIDE {
            for column in 0..SIDE {
                let at = |place: usize, shift: f32, length: usize| {
                    let from_centre = (place as f32 - SIDE as f32 / 2.0) * step + 6.0 * shift;
                    (length as f32 / 2.0 + from_centre).clamp(0.0, (length - 1) as f32) as usize
                };
                let (x, y) = (at(column, across, view.width()), at(row, down, view.height()));
                let pixel = f32::from(view.row(y)[x]) * (1.0 + 0.15 * light);
                film.push(grey(pixel + NOISE * draws.next()));
            }
        }
    }
    film
}

/// A film of somebody who talks: in each scene the face goes to and fro between that scene's stills, four of them in a
/// second. Between two it is both of them, more and more the next one. Beyond the stills their edges go on.
pub(crate) fn talking(scenes: &[Vec<Vec<u8>>], side: usize, seed: u64) -> Vec<u8> {
    const SIDE: usize = 288;
    let scenes: Vec<Vec<Vec<f32>>> = scenes
        .iter()
        .map(|stills| {
            stills
                .iter()
                .map(|still| wider(still, side, 1.5, [0.0; 2], SIDE))
                .collect()
        })
        .collect();
    let mut draws = Draws(seed);
    let mut film = header(SIDE, TALK_RATE);
    let frames = (SECONDS * TALK_RATE) as usize;
    for frame in 0..frames {
        let stills = &scenes[frame * scenes.len() / frames];
        let place = frame as f32 / TALK_RATE as f32 * STILLS_PER_SECOND;
        let (step, share) = (place as usize, place.fract());
        let [from, to] = [step, step + 1].map(|step| &stills[to_and_fro(step, stills.len())]);
        film.extend_from_slice(b"FRAME\n");
        let pixels = from.iter().zip(to);
        film.extend(pixels.map(|(from, to)| grey(from + share * (to - from) + NOISE * draws.next())));
    }
    film
}

/// 0, 1, 2, 1, 0, ... of three.
fn to_and_fro(step: usize, count: usize) -> usize {
    let round = 2 * (count - 1).max(1);
    let place = step % round;
    place.min(round - place).min(count - 1)
}

/// Frames of somebody who keeps still and sways a little, with noise, before a grey wall: a picture in the middle of one that
/// shows `times` as much, `wide` pixels on each side. Its edges go over into the grey.
pub(crate) fn swaying(still: &[u8], side: usize, times: f32, wide: usize, seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut draws = Draws(seed);
    let mut sway = [0.0_f32; 2];
    std::iter::repeat_with(move || {
        sway = sway.map(|sway| 0.8 * sway + 0.4 * draws.next());
        let moved = sway.map(|sway| 0.04 * sway);
        let pixels = before_a_wall(wider(still, side, times, moved, wide), times, moved, wide);
        pixels
            .into_iter()
            .map(|value| grey(value + NOISE * draws.next()))
            .collect()
    })
}

/// The picture in the middle of one that shows `times` as much and goes on with its edges, `wide` pixels on each side; moved
/// by a share of its side to the left and up.
fn wider(still: &[u8], side: usize, times: f32, moved: [f32; 2], wide: usize) -> Vec<f32> {
    let (length, beside) = (times * side as f32, (1.0 - times) / 2.0 * side as f32);
    let [x, y] = moved.map(|share| beside + share * side as f32);
    let place = Rect {
        x,
        y,
        w: length,
        h: length,
    };
    let mut values = vec![0.0; wide * wide];
    sample(GrayView::new(still, side, side).unwrap(), &place, wide, &mut values);
    values.iter().map(|value| value * 255.0).collect()
}

/// What [`wider`] gives, with grey beyond the picture instead of its edges.
fn before_a_wall(mut pixels: Vec<f32>, times: f32, moved: [f32; 2], wide: usize) -> Vec<f32> {
    const GREY: f32 = 128.0;
    // Where the edge is all gone, in sides of the picture.
    const GONE: f32 = 0.2;
    let beyond = |place: usize, moved: f32| {
        let place = (1.0 - times) / 2.0 + moved + times * (place as f32 + 0.5) / wide as f32;
        (-place).max(place - 1.0)
    };
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let beyond = beyond(at % wide, moved[0]).max(beyond(at / wide, moved[1]));
        *pixel += (GREY - *pixel) * (beyond / GONE).clamp(0.0, 1.0);
    }
    pixels
}
