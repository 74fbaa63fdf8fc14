//! What the operator shows for a verdict: pictures and words from a directory.

use std::fs;

use image::{ImageFormat, RgbImage};

use serde_json::Value;

use super::{kiosk, visit};
use crate::support::chromium::Chromium;
use crate::support::http::{get, post};
use crate::support::until;

#[test]
fn a_verdict_shows_the_picture_and_the_words_of_its_name() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    let world = kiosk("media = \"media\"\n");
    let media = world.kiosk.path("media");
    fs::create_dir(&media).unwrap();
    let verdicts = ["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral", "uncertain"];
    fs::write(media.join("no_face.txt"), "Nobody is here\n").unwrap();
    for (at, verdict) in verdicts.iter().enumerate() {
        let picture = RgbImage::from_pixel(8 + at as u32, 6, image::Rgb([200, 80, 40]));
        let path = media.join(format!("{}.png", verdict.to_lowercase()));
        picture.save_with_format(path, ImageFormat::Png).unwrap();
        fs::write(media.join(format!("{verdict}.txt")), format!("Words for {verdict}\n")).unwrap();
    }
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        // All of it at once: the verdict may change meanwhile.
        let shown = "(() => {
            const image = document.querySelector('.media img');
            if (!image) return false;
            const name = image.src.split('/').pop().split('.')[0];
            const words = document.getElementById('more').textContent.toLowerCase();
            const room = getComputedStyle(document.querySelector('.mirror')).opacity === '0';
            return image.naturalWidth > 0 && words === `words for ${name}` && room && [name, image.naturalWidth];
        })()";
        let mut found = Value::Null;
        until("picture and words of a verdict", || {
            found = window.value(shown);
            found.is_array()
        });
        let name = found[0].as_str().unwrap();
        let at = verdicts
            .iter()
            .position(|verdict| verdict.to_lowercase() == name)
            .unwrap();
        assert_eq!(found[1], 8 + at as u64);
        // Nobody's picture is none: the drawn face comes back.
        post(address, "/api/pause", "ON", "");
        window.until("!document.body.hasAttribute('data-media')");
        window.until("document.getElementById('more').textContent === 'Nobody is here'");
        // What stays the same is not written again and again: that would flicker.
        let changes = "new Promise((done) => {
            let count = 0;
            new MutationObserver(() => (count += 1))
                .observe(document.querySelector('.told'), { subtree: true, childList: true, attributes: true });
            setTimeout(() => done(count), 1200);
        })";
        assert_eq!(window.value(changes), 0);
        post(address, "/api/pause", "OFF", "");
        assert_eq!(get(address, "/media/nobody.png").status, 404);
        assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    });
}

#[test]
fn a_trigger_shows_the_media_of_its_name_for_a_while() {
    let Some(mut window) = Chromium::open(1280, 720) else {
        return;
    };
    // Whoever opens the page finds it between two firings.
    let trigger = "[[when]]\nname = \"welcome\"\nstate = \"face\"\nfor_s = 0\ncooldown_s = 0\npage_s = 4\n";
    let world = kiosk(&format!("media = \"media\"\n{trigger}"));
    let media = world.kiosk.path("media");
    fs::create_dir(&media).unwrap();
    let picture = RgbImage::from_pixel(23, 7, image::Rgb([40, 80, 200]));
    picture
        .save_with_format(media.join("welcome.png"), ImageFormat::Png)
        .unwrap();
    fs::write(media.join("welcome.txt"), "Good to see you\n").unwrap();
    fs::write(media.join("no_face.txt"), "Nobody is here\n").unwrap();
    visit(&world, |address| {
        window.go(&format!("http://{address}/"));
        window.until("document.getElementById('more')?.textContent.length > 0");
        post(address, "/api/pause", "ON", "");
        // The notice, too, has the words of an empty place, and a firing of before the pause may still come after it.
        let empty = "document.getElementById('more').textContent === 'Nobody is here'";
        window.until(&format!("document.body.dataset.phase === 'paused' && {empty}"));
        let shows = "document.querySelector('.media img')?.naturalWidth === 23 \
                     && document.getElementById('more').textContent === 'Good to see you'";
        assert_eq!(window.value(&format!("Boolean({shows})")), false);
        // Somebody is there again.
        post(address, "/api/pause", "OFF", "");
        window.until(shows);
        // The verdict has neither picture nor words of its own.
        window.until(&format!(
            "!document.body.hasAttribute('data-media') && !({shows}) \
             && !({empty})"
        ));
        assert!(window.complaints.is_empty(), "{:?}", window.complaints);
    });
}
