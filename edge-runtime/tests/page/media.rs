//! What the operator shows for a verdict: pictures and words from a directory.

use std::fs;

use image::{ImageFormat, RgbImage};

use super::{kiosk, visit};
use crate::support::chromium::Chromium;
use crate::support::http::{get, post};

#[test]
fn a_verdict_shows_the_picture_and_the_words_of_its_name() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let world = kiosk("media = \"media\"\n");
    let media = world.kiosk.path("media");
    fs::create_dir(&media).unwrap();
    let verdicts = ["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral", "uncertain"];
    for (at, verdict) in verdicts.iter().enumerate() {
        let picture = RgbImage::from_pixel(8 + at as u32, 6, image::Rgb([200, 80, 40]));
        let path = media.join(format!("{}.png", verdict.to_lowercase()));
        picture.save_with_format(path, ImageFormat::Png).unwrap();
        fs::write(media.join(format!("{verdict}.txt")), format!("Words for {verdict}\n")).unwrap();
    }
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until("document.querySelector('.media img')?.naturalWidth > 0");
        // What is shown is that of the verdict, however it changes meanwhile.
        let shown = "(() => {
            const name = document.querySelector('.media img').src.split('/').pop().split('.')[0];
            return [name, document.getElementById('more').textContent.toLowerCase()];
        })()";
        let shown = window.value(shown);
        let name = shown[0].as_str().unwrap();
        let at = verdicts
            .iter()
            .position(|verdict| verdict.to_lowercase() == name)
            .unwrap();
        assert_eq!(shown[1], format!("words for {name}"));
        let width = window.value("document.querySelector('.media img').naturalWidth");
        assert_eq!(width, 8 + at as u64);
        // The drawn face makes room.
        assert_eq!(
            window.value("getComputedStyle(document.querySelector('.mirror')).opacity"),
            "0"
        );
        // Nobody's picture is none: the drawn face comes back.
        post(address, "/api/pause", "ON", "");
        window.until("!document.body.hasAttribute('data-media')");
        post(address, "/api/pause", "OFF", "");
        assert_eq!(get(address, "/media/nobody.png").status, 404);
        assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    });
}
