//! Single frames of recordings, by the place an event names: for whoever keeps an index of what they hold.
//!
//! A frame that is not there, does not open, or holds no whole payload is none. What is wrong with it, the verifier says.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use vidimus_core::SessionId;
use vidimus_log::MAX_FRAME_BYTES;

use super::{OPENING_BYTES, open, session_key, wrapped_key};
use crate::keys::KeyEncryptionKey;

/// Keys of sessions that are remembered; past it, all are forgotten and read again.
const MAX_KEYS: usize = 1_024;

/// Reads frames below the directory of recordings.
pub(crate) struct Frames {
    recordings: PathBuf,
    wrapping: Arc<KeyEncryptionKey>,
    keys: HashMap<SessionId, LessSafeKey>,
}

impl Frames {
    pub(crate) fn new(recordings: PathBuf, wrapping: Arc<KeyEncryptionKey>) -> Self {
        Self { recordings, wrapping, keys: HashMap::new() }
    }

    /// The payload in the frame at this place (segment, offset, length).
    pub(crate) fn payload(&mut self, session: SessionId, at: [u64; 3]) -> Option<Vec<u8>> {
        let [segment, offset, length] = at;
        let directory = self.recordings.join(session.to_string());
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME_BYTES)?;
        let mut frame = vec![0; length];
        File::open(segment_path(&directory, segment)).ok()?.read_exact_at(&mut frame, offset).ok()?;
        open(session, self.key(session, &directory)?, &mut frame, at)?.1.payload
    }

    fn key(&mut self, session: SessionId, directory: &Path) -> Option<&LessSafeKey> {
        if !self.keys.contains_key(&session) {
            let mut opening = [0; OPENING_BYTES];
            File::open(segment_path(directory, 0)).ok()?.read_exact_at(&mut opening, 0).ok()?;
            let key = session_key(session, wrapped_key(&opening).ok()?, &self.wrapping).ok()?;
            if self.keys.len() >= MAX_KEYS {
                self.keys.clear();
            }
            self.keys.insert(session, key);
        }
        self.keys.get(&session)
    }
}

fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("{segment:08}.seg"))
}
