// What the operator shows for a verdict: a picture, a film, or a line of text, from the directory `page.media`.

/** Shows the media of verdicts in one place. */
export class Show {
  /** `place` gets the pictures and films; `flag` is told by `data-media` whether there is one. */
  constructor(place, flag) {
    this.place = place;
    this.flag = flag;
    this.shown = null;
  }

  /**
   * Shows what `media` holds for the verdict: `{"happy": {"picture": "/media/happy.jpg", "text": "…"}}`, by names in small
   * letters. Gives its text, or null.
   */
  show(media, verdict) {
    const found = media?.[verdict?.toLowerCase()] ?? {};
    this.showFile(found, found.film ?? found.picture ?? null);
    return found.text ?? null;
  }

  showFile(found, file) {
    if (file === this.shown) {
      return;
    }
    this.shown = file;
    this.flag.toggleAttribute("data-media", file !== null);
    // Nobody sees it any more.
    this.place.querySelector("video")?.pause();
    if (file !== null) {
      this.place.replaceChildren(found.film ? film(file) : picture(file));
    }
  }
}

function picture(file) {
  const image = document.createElement("img");
  image.src = file;
  image.alt = "";
  return image;
}

function film(file) {
  const video = document.createElement("video");
  Object.assign(video, { src: file, autoplay: true, loop: true, muted: true, playsInline: true });
  return video;
}
