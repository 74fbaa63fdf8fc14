//! What cameras and rooms do to a picture: light, blur, noise, blocks, things before it.

use rand::RngExt;

use super::{Rng, Sample};

/// Varies a finished sample.
pub(super) fn vary(sample: &mut Sample, [width, height]: [usize; 2], rng: &mut Rng) {
    if rng.random::<f32>() < 0.15 {
        hide(sample, [width, height], rng);
    }
    if rng.random::<f32>() < 0.25 {
        for _ in 0..rng.random_range(1..=3) {
            blur(&mut sample.pixels, width);
        }
    }
    shade(&mut sample.pixels, width, rng);
    let noise = if rng.random::<f32>() < 0.4 {
        rng.random_range(1.0..10.0f32)
    } else {
        0.0
    };
    let blocks = rng.random::<f32>() < 0.1;
    if blocks {
        flatten_blocks(&mut sample.pixels, width, rng.random_range(0.2..0.7));
    }
    for pixel in &mut sample.pixels {
        let value = if noise > 0.0 {
            *pixel + noise * normal(rng)
        } else {
            *pixel
        };
        // As a camera gives it.
        *pixel = value.round().clamp(0.0, 255.0);
    }
}

/// About a normal number: the sum of four uniform ones.
pub(super) fn normal(rng: &mut Rng) -> f32 {
    let sum: f32 = rng.random::<[f32; 4]>().iter().sum();
    (sum - 2.0) * 3.0f32.sqrt()
}

/// Gamma, contrast, brightness, and a slope of light across the picture.
fn shade(pixels: &mut [f32], width: usize, rng: &mut Rng) {
    let gamma = (0.35 * normal(rng)).exp();
    let contrast = rng.random_range(0.6..1.25f32);
    let mut gain = rng.random_range(0.75..1.2f32);
    if rng.random::<f32>() < 0.2 {
        gain *= rng.random_range(0.15..0.7f32);
    }
    let offset = rng.random_range(-18.0..18.0f32);
    let slope = if rng.random::<f32>() < 0.3 {
        rng.random_range(-0.5..0.5f32)
    } else {
        0.0
    };
    let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
    let curve: Vec<f32> = (0..=255)
        .map(|value| 255.0 * (value as f32 / 255.0).powf(gamma))
        .collect();
    for row in pixels.chunks_exact_mut(width) {
        for (x, pixel) in row.iter_mut().enumerate() {
            let value = (*pixel - mean) * contrast + mean + offset;
            let curved = curve[value.clamp(0.0, 255.0) as usize];
            *pixel = curved * gain * (1.0 + slope * (x as f32 / width as f32 - 0.5));
        }
    }
}

/// Mean of 3x3, one direction after the other.
fn blur(pixels: &mut [f32], width: usize) {
    for row in pixels.chunks_exact_mut(width) {
        let mut before = row[0];
        for x in 0..width {
            let own = row[x];
            let after = row[(x + 1).min(width - 1)];
            row[x] = (before + 2.0 * own + after) / 4.0;
            before = own;
        }
    }
    let height = pixels.len() / width;
    for x in 0..width {
        let mut before = pixels[x];
        for y in 0..height {
            let own = pixels[y * width + x];
            let after = pixels[(y + 1).min(height - 1) * width + x];
            pixels[y * width + x] = (before + 2.0 * own + after) / 4.0;
            before = own;
        }
    }
}

/// Draws blocks of 8x8 towards their means, as strong compression does.
fn flatten_blocks(pixels: &mut [f32], width: usize, share: f32) {
    let height = pixels.len() / width;
    for top in (0..height).step_by(8) {
        for left in (0..width).step_by(8) {
            let (bottom, right) = ((top + 8).min(height), (left + 8).min(width));
            let sum: f32 = (top..bottom)
                .map(|y| pixels[y * width + left..y * width + right].iter().sum::<f32>())
                .sum();
            let mean = sum / ((bottom - top) * (right - left)) as f32;
            for y in top..bottom {
                for pixel in &mut pixels[y * width + left..y * width + right] {
                    *pixel += share * 0.5 * (mean - *pixel);
                }
            }
        }
    }
}

/// Covers a part of a face, or of the picture, with one grey.
fn hide(sample: &mut Sample, [width, height]: [usize; 2], rng: &mut Rng) {
    let whole = [0.0, 0.0, width as f32, height as f32];
    let (area, share) = match sample.faces.as_slice() {
        [] => (whole, 0.3),
        faces => (faces[rng.random_range(0..faces.len())].bounds, 0.4),
    };
    let [left, top, right, bottom] = area;
    let (w, h) = (
        (right - left) * share * rng.random::<f32>(),
        (bottom - top) * share * rng.random::<f32>(),
    );
    let x = left + rng.random::<f32>() * (right - left - w);
    let y = top + rng.random::<f32>() * (bottom - top - h);
    let grey = rng.random_range(0.0..255.0f32);
    let column = |value: f32| value.clamp(0.0, width as f32) as usize;
    for line in sample
        .pixels
        .chunks_exact_mut(width)
        .skip(y.max(0.0) as usize)
        .take(h as usize)
    {
        line[column(x)..column(x + w)].fill(grey);
    }
}
