//! Memory that a burst of calls took goes back to the system when it is over.
//!
//! The allocator (mimalloc) gives freed pages back a second after they were freed, and looks for such pages only while it frees
//! one: a server that has nothing to do after a burst would keep them all. So a page is taken and freed again and again.

use std::time::Duration;

const EVERY: Duration = Duration::from_secs(10);
/// More than the allocator puts into a page with others.
const PAGE: usize = 1 << 20;

/// Has the allocator look for what it can give back, for as long as the runtime lives.
pub(crate) async fn give_back() {
    loop {
        tokio::time::sleep(EVERY).await;
        drop(std::hint::black_box(Vec::<u8>::with_capacity(PAGE)));
    }
}
