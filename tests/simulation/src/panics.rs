//! Panics of functions: they are caught where a record is handled, and a later try may hide them.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on panics are kept by the thread that they happen on, which is that of one run, and told as always.
pub fn watch() {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            SEEN.with_borrow_mut(|seen| seen.push(panic.to_string()));
            told(panic);
        }));
    });
    SEEN.take();
}

/// Those of this thread since the last time.
#[must_use]
pub fn take() -> Vec<String> {
    SEEN.take()
}
