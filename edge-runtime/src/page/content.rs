//! What the operator gives to the pages: words and media, read before anything is served.

use axum::body::Bytes;
use durable::read_whole;
use serde_json::Value;

use super::assets::asset;
use super::error::PageError;
use super::media::Media;
use super::settings::{Language, PageConfig};

/// Most bytes of a file of words.
const MAX_WORDS: u64 = 256 * 1024;

/// The media of a configuration.
pub(super) fn media(config: &PageConfig) -> Result<Media, PageError> {
    let Some(path) = &config.media else {
        return Ok(Media::default());
    };
    Media::read(path).map_err(|source| PageError::Media {
        path: path.clone(),
        source,
    })
}

/// The words of a language, as JSON.
pub(super) fn words(language: &Language) -> Result<Bytes, PageError> {
    let path = match language {
        Language::Shipped(name) => {
            let shipped = asset(&format!("lang/{name}.json")).map_or(&b"{}"[..], |asset| asset.bytes);
            return Ok(Bytes::from_static(shipped));
        }
        Language::File(path) => path,
    };
    let failed = |why: String| PageError::Words {
        path: path.clone(),
        why,
    };
    let bytes = read_whole(path, MAX_WORDS).map_err(|error| failed(error.to_string()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
    if !value["language"].is_string() {
        return Err(failed("it has no `language`, such as \"nl\"".to_owned()));
    }
    Ok(Bytes::from(bytes))
}

/// The language that words say they are in.
pub(super) fn language(words: &[u8]) -> String {
    let value: Value = serde_json::from_slice(words).unwrap_or_default();
    value["language"].as_str().unwrap_or("en").to_owned()
}
