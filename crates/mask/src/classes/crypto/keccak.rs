//! Keccak-256 as Ethereum uses it: the sponge of FIPS 202 with the padding that came before the standard. Only for
//! telling addresses apart, never for security.

/// Bytes taken in one block.
const RATE: usize = 136;

/// Bytes of what is hashed: an address in hexadecimal.
pub(super) const MESSAGE: usize = 40;

/// The hash of what fits in one block with its padding.
pub(super) fn hash_256(message: &[u8; MESSAGE]) -> [u8; 32] {
    let mut block = [0; RATE];
    for (slot, byte) in block.iter_mut().zip(message) {
        *slot = *byte;
    }
    block[MESSAGE] = 0x01;
    block[RATE - 1] |= 0x80;
    let mut state = [0_u64; 25];
    let (words, _) = block.as_chunks::<8>();
    for (lane, word) in state.iter_mut().zip(words) {
        *lane = u64::from_le_bytes(*word);
    }
    permute(&mut state);
    let mut hash = [0; 32];
    for (slot, lane) in hash.as_chunks_mut::<8>().0.iter_mut().zip(state) {
        *slot = lane.to_le_bytes();
    }
    hash
}

/// Keccak-f\[1600\] (FIPS 202 §3.3): 24 rounds over lanes in rows of five.
fn permute(state: &mut [u64; 25]) {
    let mut shift_register = 1_u8;
    for _ in 0..24 {
        mix_columns(state);
        turn_and_move(state);
        mix_rows(state);
        state[0] ^= round_constant(&mut shift_register);
    }
}

/// θ: each lane takes in two neighbouring columns.
fn mix_columns(state: &mut [u64; 25]) {
    let mut columns = [0_u64; 5];
    for row in state.as_chunks::<5>().0 {
        for (column, lane) in columns.iter_mut().zip(row) {
            *column ^= lane;
        }
    }
    let [one, two, three, four, five] = columns;
    let taken = [(five, two), (one, three), (two, four), (three, five), (four, one)]
        .map(|(left, right)| left ^ right.rotate_left(1));
    for row in state.as_chunks_mut::<5>().0 {
        for (lane, taken) in row.iter_mut().zip(taken) {
            *lane ^= taken;
        }
    }
}

/// ρ and π: lanes turn by triangular numbers and move along one cycle.
fn turn_and_move(state: &mut [u64; 25]) {
    let (mut x, mut y) = (1, 0);
    let mut carried = state[1];
    let mut turn = 0;
    for step in 1..=24 {
        turn += step;
        (x, y) = (y, (2 * x + 3 * y) % 5);
        if let Some(lane) = state.get_mut(x + 5 * y) {
            carried = std::mem::replace(lane, carried.rotate_left(turn % 64));
        }
    }
}

/// χ: the only step that is not linear.
fn mix_rows(state: &mut [u64; 25]) {
    for row in state.as_chunks_mut::<5>().0 {
        let [one, two, three, four, five] = *row;
        *row = [one ^ !two & three, two ^ !three & four, three ^ !four & five, four ^ !five & one, five ^ !one & two];
    }
}

/// ι: bits 2ʲ − 1 of a round's constant come from a shift register (FIPS 202 §3.2.5).
fn round_constant(register: &mut u8) -> u64 {
    let mut constant = 0;
    for power in 0..=6_u32 {
        if *register & 1 == 1 {
            constant |= 1_u64 << ((1_u32 << power) - 1);
        }
        let overflow = if *register & 0x80 == 0 { 0 } else { 0x71 };
        *register = *register << 1 ^ overflow;
    }
    constant
}
