//! The pages of a program that was built without them.

use super::Finding;
use crate::page::settings::PageConfig;

pub(super) fn check(_: &PageConfig) -> Finding {
    let cure = "build with `--features page`, or leave [page] out";
    Finding::bad("page", "this program was built without pages", cure)
}
