//! Memory for weights and activations.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

/// Size of a large page, where pages have 4 KiB.
const LARGE_PAGE: usize = 2 << 20;

/// Bytes of a cache line, which are also those of the widest register.
const LINE: usize = 64;

/// Values that begin at a cache line, so that no register of them crosses one.
#[derive(Debug)]
pub struct Aligned<T> {
    /// Where they lie, alone or with others; `None` where there are none.
    block: Option<Arc<Block>>,
    first: NonNull<T>,
    length: usize,
    values: PhantomData<T>,
}

/// What the values of one network lie in, one behind the other.
///
/// A network reads megabytes of weights once a run. Together they fill large pages, where the system has such pages: a
/// processor fetches ahead by itself, but only within a page, and it looks up fewer of them.
#[derive(Debug, Default)]
pub struct Arena {
    block: Option<Arc<Block>>,
    /// Bytes of the block that are taken.
    used: usize,
}

/// Memory that is given back when no values lie in it any more.
#[derive(Debug)]
struct Block {
    first: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block is memory and nothing else. Who holds values in it holds a part of its own.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// At least so many bytes; large pages where that is worth it.
    fn new(bytes: usize) -> Arc<Self> {
        let alignment = if bytes < LARGE_PAGE { LINE } else { LARGE_PAGE };
        let size = bytes.next_multiple_of(LINE).max(LINE);
        let Ok(layout) = Layout::from_size_align(size, alignment) else {
            handle_alloc_error(Layout::new::<[u8; LINE]>())
        };
        // SAFETY: there is at least a line.
        let Some(first) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        advise(first, size);
        Arc::new(Self { first, layout })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and no values lie in it any more.
        unsafe { dealloc(self.first.as_ptr(), self.layout) };
    }
}

#[cfg(target_os = "linux")]
fn advise(first: NonNull<u8>, bytes: usize) {
    let whole = bytes / LARGE_PAGE * LARGE_PAGE;
    if whole > 0 {
        // SAFETY: the pages belong to the block alone, and the advice changes no value. Without such pages it is refused,
        // and nothing is lost.
        let _ = unsafe { rustix::mm::madvise(first.as_ptr().cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_: NonNull<u8>, _: usize) {}

impl Arena {
    /// So many copies of a value.
    pub fn take<T: Copy>(&mut self, value: T, length: usize) -> Aligned<T> {
        let bytes = (length * size_of::<T>()).next_multiple_of(LINE);
        let block = match self.block.take() {
            Some(block) if self.used + bytes <= block.layout.size() => block,
            _ => {
                self.used = 0;
                Block::new(bytes.next_multiple_of(LARGE_PAGE))
            }
        };
        self.block = Some(Arc::clone(&block));
        let start = self.used;
        self.used += bytes;
        // SAFETY: the block has so many bytes from there on, which nobody else was given or will be.
        unsafe { Aligned::within(block, start, value, length) }
    }
}

impl<T: Copy> Aligned<T> {
    /// So many copies of a value, in memory of their own.
    pub fn new(value: T, length: usize) -> Self {
        let block = Block::new(length * size_of::<T>());
        // SAFETY: the block has so many bytes, and is new.
        unsafe { Self::within(block, 0, value, length) }
    }

    /// # Safety
    /// The block has the bytes of so many values from `start` on, a multiple of a line, and nobody else has them.
    unsafe fn within(block: Arc<Block>, start: usize, value: T, length: usize) -> Self {
        const { assert!(align_of::<T>() <= LINE) };
        // SAFETY: as the caller promises; a line is aligned for the values.
        let first = unsafe {
            let first = block.first.add(start).cast::<T>();
            for at in 0..length {
                first.add(at).write(value);
            }
            first
        };
        Self {
            block: Some(block),
            first,
            length,
            values: PhantomData,
        }
    }
}

// SAFETY: the values are its own, wherever they lie.
unsafe impl<T: Send> Send for Aligned<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Aligned<T> {}

impl<T> Default for Aligned<T> {
    fn default() -> Self {
        Self {
            block: None,
            first: NonNull::dangling(),
            length: 0,
            values: PhantomData,
        }
    }
}

/// In memory of its own.
impl<T: Copy> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let Some(first) = self.first() else {
            return Self::default();
        };
        let mut copy = Self::new(*first, self.length);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        debug_assert!(self.block.is_some() || self.length == 0);
        // SAFETY: all values were written, and the block that they lie in is held.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else has them.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_begin_at_a_line() {
        for count in [0, 1, 4095, (2 << 20) - 1, 2 << 20, (5 << 20) + 3] {
            let values = Aligned::new(7_i8, count);
            assert_eq!(values[..], vec![7; count]);
            assert!(values.as_ptr().addr().is_multiple_of(LINE), "{count}");
        }
        let floats = Aligned::new(0.0_f32, (1 << 20) + 7);
        assert!(floats.iter().all(|value| *value == 0.0));
        assert!(floats.as_ptr().addr().is_multiple_of(LINE));
    }

    #[test]
    fn copies_begin_at_a_line_too() {
        let mut copies = vec![Aligned::new(1_u8, 100)];
        copies[0][99] = 2;
        for _ in 0..20 {
            copies.push(copies[copies.len() - 1].clone());
        }
        for copy in &copies {
            assert!(copy[..99].iter().all(|value| *value == 1) && copy[99] == 2);
            assert!(copy.as_ptr().addr().is_multiple_of(LINE));
        }
        assert!(Aligned::<u8>::default().clone().is_empty());
    }

    #[test]
    fn what_lies_together_does_not_overlap() {
        let mut arena = Arena::default();
        let mut all: Vec<Aligned<u16>> = Vec::new();
        for at in 0..20_u16 {
            all.push(arena.take(at, 70_000 * usize::from(at) + 1));
            all[usize::from(at)].fill(at + 1);
        }
        drop(arena);
        for (at, values) in all.iter().enumerate() {
            assert_eq!(values.len(), 70_000 * at + 1);
            assert!(values.iter().all(|value| usize::from(*value) == at + 1), "{at}");
            assert!(values.as_ptr().addr().is_multiple_of(LINE));
        }
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
        let flags = flags(&Aligned::new(0, length));
        assert!(flags.iter().any(|flag| flag == "hg"), "{flags:?}");
    }
}
