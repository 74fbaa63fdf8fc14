//! The files of the pages as answers.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::assets::asset;

/// A file of the program.
pub(super) fn page(name: &str) -> Response {
    match asset(name) {
        Some(asset) => {
            let headers = [(CONTENT_TYPE, asset.kind), (CACHE_CONTROL, "no-cache")];
            (headers, asset.bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "not here\n").into_response(),
    }
}

/// The page that asks for the token.
pub(super) fn sign_in() -> Response {
    (StatusCode::UNAUTHORIZED, page("signin.html")).into_response()
}
