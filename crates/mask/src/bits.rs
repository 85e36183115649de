//! Which bytes of a block are of a kind: a bit for each byte, the first lowest.
//!
//! What rules places out at one look begins with such bits. They are made without a branch, so that the compiler can take
//! sixteen bytes at a time.

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// The bytes of a shorter block, zeros behind them.
pub(crate) fn padded(block: &[u8]) -> [u8; BLOCK] {
    let mut padded = [0; BLOCK];
    if let Some(begin) = padded.get_mut(..block.len()) {
        begin.copy_from_slice(block);
    }
    padded
}

/// The bytes for which `holds` says so.
pub(crate) fn of(block: &[u8; BLOCK], holds: impl Fn(u8) -> bool) -> u64 {
    let holds = block.map(holds);
    let (eights, _) = holds.as_chunks::<8>();
    eights.iter().rev().fold(0, |all, eight| {
        // One multiplication brings the lowest bits of eight bytes together, the first byte's lowest.
        let lowest = u64::from_le_bytes(eight.map(u8::from));
        all << 8 | lowest.wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}
