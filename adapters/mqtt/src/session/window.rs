//! Which of our QoS 1 messages the device has not yet acknowledged: as many as it takes at once
//! (3.3.4 Receive Maximum), and never more than we care to remember.

/// Packet identifiers under way.
pub(super) struct Window {
    under_way: Vec<u16>,
    most: usize,
    last: u16,
}

/// As many as we take of a device.
const MOST: u16 = 16;

impl Window {
    pub(super) fn new(receive_maximum: u16) -> Self {
        Self {
            under_way: Vec::new(),
            most: usize::from(receive_maximum.min(MOST)),
            last: 0,
        }
    }

    /// An identifier for one more, if there is room.
    pub(super) fn open(&mut self) -> Option<u16> {
        if self.under_way.len() >= self.most {
            return None;
        }
        // At most 16 are taken, so one of 17 in a row is free.
        let id = loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.under_way.contains(&self.last) {
                break self.last;
            }
        };
        self.under_way.push(id);
        Some(id)
    }

    /// The same, with a place left for the document.
    pub(super) fn open_beside_document(&mut self) -> Option<u16> {
        if self.under_way.len().saturating_add(1) >= self.most {
            None
        } else {
            self.open()
        }
    }

    /// The device has acknowledged one; one that it makes up is nothing.
    pub(super) fn close(&mut self, id: u16) {
        self.under_way.retain(|under_way| *under_way != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identifier_is_under_way_twice_and_none_is_zero() {
        let mut window = Window::new(3);
        window.last = u16::MAX - 1;
        let taken = [window.open(), window.open(), window.open(), window.open()];
        assert_eq!(taken, [Some(u16::MAX), Some(1), Some(2), None]);
        window.close(1);
        window.last = u16::MAX;
        assert_eq!(window.open(), Some(1));
    }

    #[test]
    fn a_place_is_left_for_the_document() {
        let mut window = Window::new(u16::MAX);
        let answers = (0..20).filter(|_| window.open_beside_document().is_some());
        assert_eq!(answers.count(), 15);
        assert!(window.open().is_some());
        assert!(window.open().is_none());
        let mut narrow = Window::new(1);
        assert!(narrow.open_beside_document().is_none());
        assert!(narrow.open().is_some());
    }
}
