//! The memory that the calling thread holds, from an allocator that counts.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The bytes that the thread holds. Memory of other threads that it frees counts as negative.
pub(crate) fn now() -> isize {
    HELD.get()
}

pub(crate) fn reset_peak() {
    PEAK.set(HELD.get());
}

/// The maximum since the reset.
pub(crate) fn peak() -> isize {
    PEAK.get()
}

fn count(size: isize) {
    HELD.set(HELD.get() + size);
    PEAK.set(PEAK.get().max(HELD.get()));
}

fn size(layout: Layout) -> isize {
    layout.size().try_into().unwrap_or(isize::MAX)
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator: what it is asked for, it asks of the system's")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        unsafe { System.dealloc(pointer, layout) }
    }
}
