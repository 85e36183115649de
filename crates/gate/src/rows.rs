//! How much of a long result is kept: its first rows, and of the rest how many there were and their digest.

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::holds::hex;
use crate::masking::Masked;

/// The rows of one result, so far.
pub(crate) struct Rows {
    kept: u64,
    omitted: u64,
    /// SHA-256 over the lines of those that are not kept, as they would have been recorded.
    digest: digest::Context,
}

impl Default for Rows {
    fn default() -> Self {
        Self { kept: 0, omitted: 0, digest: digest::Context::new(&digest::SHA256) }
    }
}

impl Rows {
    /// What is kept of these lines, each with where it ends and whether it is a row.
    pub(crate) fn kept(&mut self, recorded: Bytes, lines: &[(usize, bool)], most: u64) -> Bytes {
        let rows = lines.iter().filter(|(_, is_row)| *is_row).count() as u64;
        if self.kept + rows <= most {
            self.kept += rows;
            return recorded;
        }
        let (mut kept, mut start) = (Vec::new(), 0);
        let mut rest = lines;
        while let Some((_, is_row)) = rest.first() {
            // Lines of one fate that follow one another go at once.
            let is_omitted = *is_row && self.kept >= most;
            let alike = if is_omitted { rest.iter().take_while(|(_, is_row)| *is_row).count() } else { 1 };
            let (these, others) = rest.split_at(alike);
            let end = these.last().map_or(start, |(end, _)| *end);
            let text = recorded.get(start..end).unwrap_or_default();
            if is_omitted {
                self.omitted += alike as u64;
                self.digest.update(text);
            } else {
                self.kept += u64::from(*is_row);
                kept.extend_from_slice(text);
            }
            (start, rest) = (end, others);
        }
        kept.into()
    }

    /// The end of a result, with what was left out told in a line of its own.
    pub(crate) fn told(&self, masked: Masked) -> Masked {
        if self.omitted == 0 {
            return masked;
        }
        let sum = hex(self.digest.clone().finish().as_ref());
        let told = format!("{{\"omitted\":{{\"rows\":{},\"sha256\":\"{sum}\"}}}}\n", self.omitted);
        let recorded = [&*masked.recorded, told.as_bytes()].concat().into();
        Masked { recorded, ..masked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(recorded: Bytes) -> Masked {
        Masked { recorded, shown: Bytes::new(), found: vidimus_core::event::Masking::default() }
    }

    #[test]
    fn the_first_rows_are_kept_and_the_rest_is_counted_and_summed() {
        let mut rows = Rows::default();
        let heads: Bytes = Bytes::from_static(b"{}\n[1]\n[2]\n");
        let lines = [(3, false), (7, true), (11, true)];
        assert_eq!(rows.kept(heads.clone(), &lines, 3), heads);
        assert_eq!(rows.told(masked(heads.clone())).recorded, heads);
        assert_eq!(&rows.kept(heads, &lines, 3)[..], b"{}\n[1]\n");
        assert_eq!(&rows.kept(Bytes::from_static(b"[3]\n"), &[(4, true)], 3)[..], b"");
        let told = rows.told(masked(Bytes::from_static(b"{\"tag\":{}}\n"))).recorded;
        let sum = hex(digest::digest(&digest::SHA256, b"[2]\n[3]\n").as_ref());
        assert_eq!(told, format!("{{\"tag\":{{}}}}\n{{\"omitted\":{{\"rows\":2,\"sha256\":\"{sum}\"}}}}\n"));
    }
}
