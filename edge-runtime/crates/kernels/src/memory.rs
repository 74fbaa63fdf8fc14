//! Memory for weights.

/// Size of a large page, where pages have 4 KiB.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

/// So many zeros; in large pages where there are many and the system has such pages.
///
/// A dense layer reads megabytes of weights once a run. A processor fetches ahead by itself, but only within a page.
pub(super) fn zeroed<T: Copy + Default>(count: usize) -> Vec<T> {
    let values = vec![T::default(); count];
    #[cfg(target_os = "linux")]
    if size_of_val(values.as_slice()) >= LARGE_PAGE {
        let page = rustix::param::page_size();
        let range = values.as_ptr_range();
        let start = range.start.addr().next_multiple_of(page);
        let length = (range.end.addr() - start) / page * page;
        let first = range.start.with_addr(start).cast_mut().cast();
        // SAFETY: the pages belong to the vector alone, and the advice changes no value. Without such pages it is refused,
        // and nothing is lost.
        let _ = unsafe { rustix::mm::madvise(first, length, rustix::mm::Advice::LinuxHugepage) };
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_are_zero() {
        for count in [0, 1, 4095, (2 << 20) - 1, 2 << 20, (5 << 20) + 3] {
            assert_eq!(zeroed::<i8>(count), vec![0; count]);
        }
        assert!(zeroed::<f32>((1 << 20) + 7).iter().all(|value| *value == 0.0));
    }

    /// What the system says of the memory around an address.
    #[cfg(target_os = "linux")]
    fn flags(values: &[i8]) -> Vec<String> {
        let middle = values.as_ptr().addr() + values.len() / 2;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        let mut holds = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let ends = range.map(|(start, end)| [start, end].map(|end| usize::from_str_radix(end, 16)));
            if let Some([Ok(start), Ok(end)]) = ends {
                holds = (start..end).contains(&middle);
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| holds) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        Vec::new()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_is_asked_for_large_pages() {
        use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

        let length = 2 * LARGE_PAGE;
        // SAFETY: new memory, given back when nothing refers to it any more.
        let advised = unsafe {
            let memory = mmap_anonymous(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE).unwrap();
            let known = madvise(memory, length, Advice::LinuxHugepage).is_ok();
            let flags = flags(std::slice::from_raw_parts(memory.cast(), length));
            munmap(memory, length).unwrap();
            known && flags.iter().any(|flag| flag == "hg")
        };
        if !advised {
            let why = "this system has no large pages, or is emulated and does not tell";
            assert!(std::env::var_os("REQUIRE_ALL").is_none(), "REQUIRE_ALL: {why}");
            eprintln!("SKIPPED: {why}");
            return;
        }
        let flags = flags(&zeroed(length));
        assert!(flags.iter().any(|flag| flag == "hg"), "{flags:?}");
    }
}
