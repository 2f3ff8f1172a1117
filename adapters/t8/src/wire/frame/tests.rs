use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The head of a masked text frame, its length written in `bytes` more bytes.
fn head(length: u64, bytes: usize) -> Vec<u8> {
    let short = match bytes {
        0 => u8::try_from(length).unwrap(),
        2 => IN_TWO,
        _ => IN_EIGHT,
    };
    let mut head = vec![0x81, MASKED | short];
    head.extend_from_slice(&length.to_be_bytes()[8 - bytes..]);
    head
}

fn frame(length: usize, bytes: usize) -> Vec<u8> {
    let mut frame = head(length as u64, bytes);
    // Whatever mask and payload are, a frame may be seen in them.
    frame.extend(std::iter::repeat_n(0xff, 4 + length));
    frame
}

/// After how many bytes the gate refused, when they came in pieces of `size`.
fn refused_within(gate: &mut FrameGate, bytes: &[u8], size: usize) -> Option<usize> {
    let mut passed = 0;
    for piece in bytes.chunks(size) {
        passed += piece.len();
        if gate.pass(piece).is_err() {
            return Some(passed);
        }
    }
    None
}

#[test]
fn a_frame_that_declares_too_much_is_refused_by_its_head_alone() {
    for (length, bytes, at) in [
        (4097, 2, 4),
        (65_535, 2, 4),
        (4097, 8, 10),
        (1 << 31, 8, 10),
        (1 << 62, 8, 10),
        (u64::MAX, 8, 10),
    ] {
        let mut stream = [frame(0, 0), frame(4096, 2), frame(125, 0)].concat();
        let before = stream.len();
        stream.extend(head(length, bytes));
        stream.extend([0; 64]);
        let mut gate = FrameGate::new(4096);
        assert_eq!(refused_within(&mut gate, &stream, 1), Some(before + at));
        assert_eq!(gate.pass(b"x"), Err(FrameTooLarge), "it stays refused");
        for size in [2, 3, 7, 4096, stream.len()] {
            let mut gate = FrameGate::new(4096);
            let refused = refused_within(&mut gate, &stream, size).unwrap();
            assert!(refused < before + at + size, "{length} in {size}");
        }
    }
}

#[test]
fn the_largest_frame_is_let_through_however_its_length_is_written() {
    let stream = [
        frame(4096, 2),
        frame(4096, 8),
        frame(3, 2),
        frame(3, 8),
        frame(0, 8),
    ];
    let stream = stream.concat();
    for size in 1..32 {
        let mut gate = FrameGate::new(4096);
        assert_eq!(refused_within(&mut gate, &stream, size), None, "{size}");
        // And it knows where the last one ended.
        assert_eq!(gate.pass(&head(4097, 2)), Err(FrameTooLarge));
    }
}

proptest! {
    #[test]
    fn every_stream_of_frames_within_the_limit_passes(
        frames in vec((0_usize..200, 0_usize..3), 0..20),
        sizes in vec(1_usize..50, 1..200),
    ) {
        let frames = frames.into_iter().map(|(length, written)| {
            let bytes = [if length < 126 { 0 } else { 2 }, 2, 8][written];
            frame(length, bytes)
        });
        let stream: Vec<u8> = frames.flatten().collect();
        let mut gate = FrameGate::new(199);
        let mut rest = stream.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            prop_assert_eq!(gate.pass(piece), Ok(()));
            rest = behind;
        }
        prop_assert_eq!(gate.pass(&head(200, 2)), Err(FrameTooLarge));
    }

    #[test]
    fn how_bytes_are_cut_changes_nothing(bytes in vec(any::<u8>(), 0..300), size in 1_usize..40) {
        let whole = FrameGate::new(130).pass(&bytes);
        let cut = refused_within(&mut FrameGate::new(130), &bytes, size);
        prop_assert_eq!(whole.is_err(), cut.is_some());
    }
}
