//! Progress bars: on a terminal, on standard error; nothing elsewhere.

use ics_store::Copied;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of things that are counted.
pub(super) fn count_bar(what: &'static str) -> ProgressBar {
    bar_of(what, "{msg:<12} {wide_bar} {human_pos}/{human_len} {eta}")
}

/// A bar of bytes.
pub(super) fn byte_bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = bar_of(what, "{msg:<12} {wide_bar} {bytes}/{total_bytes} {eta}");
    bar.set_length(length);
    bar
}

fn bar_of(what: &'static str, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar for what is written, then one for what is read back.
pub(super) struct CopyProgress {
    bar: ProgressBar,
    is_read_back: bool,
}

impl CopyProgress {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            bar: count_bar(what),
            is_read_back: false,
        }
    }

    pub(super) fn take(&mut self, step: Copied) {
        match step {
            Copied::Begun(keys) => self.bar.set_length(keys),
            Copied::Key => self.bar.inc(1),
            Copied::ReadBack => {
                if !std::mem::replace(&mut self.is_read_back, true) {
                    self.bar.set_message("reading back");
                    self.bar.set_position(0);
                }
                self.bar.inc(1);
            }
        }
    }
}

impl Drop for CopyProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
