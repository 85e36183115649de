//! One witness as the gateway asks it (C2SP tlog-witness, `add-checkpoint`): its cosignature, or what it has seen instead.
//!
//! The witness's answer is believed as far as its signature goes. Refused: answers that are too long, cosignatures by
//! another key or of another checkpoint. A witness that knows more of the log than there is, or another history, is told
//! apart from one that is merely out of reach: the first means that evidence was lost or rewritten.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use vidimus_log::cosignature::cosignatures;
use vidimus_log::{Checkpoint, WitnessKey, Witnessing};
use vidimus_net::{HttpTarget, Repeat, UpstreamError};

use crate::config;

/// How long connecting, and one answer, may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer in bytes: a few signature lines.
const MAX_ANSWER: usize = 16 << 10;
/// How often one checkpoint is submitted: once, once more with the size that the witness names, and once more when another
/// submission came between.
const SUBMISSIONS: usize = 3;
/// The longest part of an answer that is repeated in an error.
const MAX_ERROR_TEXT: usize = 200;

/// A witness with the size that it is known to have seen.
pub(crate) struct WitnessClient {
    pub(crate) name: String,
    key: WitnessKey,
    http: HttpTarget,
    /// The size it cosigned last, as far as known.
    seen: Option<u64>,
    /// The size it must know: what it has cosigned by the log's own copy; none before that was looked at.
    cosigned: Option<u64>,
}

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// It has seen more of the log than there is.
    #[error(
        "witness `{witness}` has seen {seen} entries of {origin}, and this log has {size}: the data directory was rolled \
         back, or restored from an old copy, or another gateway runs under this name and key"
    )]
    Ahead {
        /// Which witness.
        witness: String,
        /// The log.
        origin: String,
        /// What it has seen.
        seen: u64,
        /// What there is.
        size: u64,
    },
    /// It has seen another history of the log.
    #[error(
        "witness `{witness}` has seen {seen} entries of {origin} that are not the first {seen} of the {size} of this log: \
         one of the two histories was forged"
    )]
    Fork {
        /// Which witness.
        witness: String,
        /// The log.
        origin: String,
        /// What it has seen.
        seen: u64,
        /// What there is.
        size: u64,
    },
    /// It knows less of the log than it has itself cosigned.
    #[error(
        "witness `{witness}` knows {known} entries of {origin}, and has cosigned {cosigned}: it has lost its memory, or \
         somebody answers in its place, so that it may cosign another history; ask its operator, and when it may go on, \
         start once with on_start = \"warn\""
    )]
    Forgetful {
        /// Which witness.
        witness: String,
        /// The log.
        origin: String,
        /// What it knows.
        known: u64,
        /// What it has cosigned.
        cosigned: u64,
    },
    /// It was shown a newer checkpoint meanwhile, by whomever: it is asked with a newer one next.
    #[error("witness `{0}` has cosigned a newer checkpoint of the log than the one it was asked with")]
    Overtaken(String),
    /// It does not know the log or its key.
    #[error("witness `{0}` does not know this log or its key ({1}): give it the key that `vidimus log status` shows")]
    Unknown(String, StatusCode),
    /// It does not answer.
    #[error("witness `{0}` cannot be reached: {1}")]
    Unreachable(String, String),
    /// It answers what it should not.
    #[error("witness `{0}` does not answer as a witness does: {1}")]
    Answer(String, String),
    /// The log cannot be read.
    #[error("the log cannot be read for witness `{0}`: {1}")]
    Log(String, String),
}

impl AskError {
    /// Whether evidence was lost or rewritten, or somebody claims so with the log's key.
    pub(crate) const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Fork { .. } | Self::Forgetful { .. })
    }

    /// Whether it is the witness that has lost something, rather than the log.
    pub(crate) const fn is_witness_at_fault(&self) -> bool {
        matches!(self, Self::Forgetful { .. })
    }
}

impl WitnessClient {
    pub(crate) fn new(witness: &config::Witness) -> Result<Self, UpstreamError> {
        let url: Uri = add_checkpoint(&witness.url);
        let http = HttpTarget::new(url, HeaderMap::new(), TIMEOUT, TIMEOUT)?;
        Ok(Self { name: witness.name.clone(), key: witness.key.clone(), http, seen: None, cosigned: None })
    }

    /// The size it cosigned last, as far as known.
    pub(crate) const fn seen(&self) -> Option<u64> {
        self.seen
    }

    /// Goes on with a witness that has lost its memory, after that was told.
    pub(crate) const fn forgive(&mut self) {
        (self.seen, self.cosigned) = (None, Some(0));
    }

    /// Asks for a cosignature of a signed checkpoint of the log: its line.
    pub(crate) async fn ask(
        &mut self,
        log: &Witnessing,
        checkpoint: &Checkpoint,
        signed: &str,
    ) -> Result<String, AskError> {
        let size = checkpoint.size;
        let must_know = *self.cosigned.get_or_insert_with(|| cosigned_by(&self.key, log));
        let mut old = self.seen.unwrap_or(size);
        for _ in 0..SUBMISSIONS {
            if old > size {
                return Err(self.beyond(log, checkpoint, old));
            }
            let (status, answer) = self.submit(log, old, size, signed).await?;
            match status {
                StatusCode::OK => {
                    let line = self.verified(checkpoint, signed, &answer)?;
                    (self.seen, self.cosigned) = (Some(size), Some(size));
                    return Ok(line);
                }
                StatusCode::CONFLICT => {
                    let known = answer.trim_end().parse::<u64>();
                    let known = known.map_err(|_| self.unexpected(status, &answer))?;
                    if known < must_know {
                        let (witness, origin) = (self.name.clone(), checkpoint.origin.clone());
                        return Err(AskError::Forgetful { witness, origin, known, cosigned: must_know });
                    }
                    if known == old {
                        // It agrees on the size and still refuses: the roots differ.
                        return Err(self.fork(checkpoint, known));
                    }
                    // Not remembered: nobody has signed that number.
                    old = known;
                }
                StatusCode::UNPROCESSABLE_ENTITY => return Err(self.fork(checkpoint, old)),
                StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
                    return Err(AskError::Unknown(self.name.clone(), status));
                }
                _ => return Err(self.unexpected(status, &answer)),
            }
        }
        if old > size { Err(self.beyond(log, checkpoint, old)) } else { Err(self.unexpected(StatusCode::CONFLICT, "")) }
    }

    async fn submit(
        &self,
        log: &Witnessing,
        old: u64,
        size: u64,
        signed: &str,
    ) -> Result<(StatusCode, String), AskError> {
        let reader = log.clone();
        let path = tokio::task::spawn_blocking(move || reader.consistency(old, size)).await;
        let path = path.map_err(|error| AskError::Log(self.name.clone(), error.to_string()))?;
        let path = path.map_err(|error| AskError::Log(self.name.clone(), error.to_string()))?;
        let path = path.iter().fold(String::new(), |text, hash| text + &hash.to_string() + "\n");
        let body = Bytes::from(format!("old {old}\n{path}\n{signed}"));
        let unreachable = |why: String| AskError::Unreachable(self.name.clone(), why);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let exchange = async {
            let sent = self.http.send(Method::POST, headers, body, Repeat::Harmless).await;
            let response = sent.map_err(|error| unreachable(crate::output::causes(&error.into())))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        let limit = 2 * TIMEOUT;
        tokio::time::timeout(limit, exchange).await.map_err(|_| unreachable(format!("no answer within {limit:?}")))?
    }

    /// The witness's cosignature in an answer; others in it are ignored.
    fn verified(&self, checkpoint: &Checkpoint, signed: &str, answer: &str) -> Result<String, AskError> {
        let wrong = |why: String| AskError::Answer(self.name.clone(), why);
        // Only the text and the new lines: what is in the checkpoint already was verified when it was added.
        let signature = signed.lines().find(|line| line.starts_with(&format!("\u{2014} {} ", checkpoint.origin)));
        let note = format!("{checkpoint}\n{}\n{answer}", signature.unwrap_or_default());
        let found = cosignatures(&note, std::slice::from_ref(&self.key)).map_err(|error| wrong(error.to_string()))?;
        let mut lines = found.into_iter().map(|cosignature| cosignature.line);
        lines.next().ok_or_else(|| wrong(format!("no cosignature by {}", self.key)))
    }

    /// It has seen more than it was asked with: whoever is shown a checkpoint can show it to the witness sooner.
    fn beyond(&self, log: &Witnessing, checkpoint: &Checkpoint, seen: u64) -> AskError {
        let (Checkpoint { size: newest, .. }, _) = log.checkpoint();
        if seen <= newest {
            return AskError::Overtaken(self.name.clone());
        }
        let Checkpoint { origin, size, .. } = checkpoint;
        AskError::Ahead { witness: self.name.clone(), origin: origin.clone(), seen, size: *size }
    }

    fn fork(&self, checkpoint: &Checkpoint, seen: u64) -> AskError {
        let Checkpoint { origin, size, .. } = checkpoint;
        AskError::Fork { witness: self.name.clone(), origin: origin.clone(), seen, size: *size }
    }

    fn unexpected(&self, status: StatusCode, answer: &str) -> AskError {
        let answer: String = answer.trim_end().chars().take(MAX_ERROR_TEXT).collect();
        AskError::Answer(self.name.clone(), format!("{status} {answer}"))
    }
}

/// How much of the log this witness has cosigned, by the log's own copy of that.
fn cosigned_by(key: &WitnessKey, log: &Witnessing) -> u64 {
    let Some((checkpoint, note)) = log.cosigned() else { return 0 };
    let found = cosignatures(&note, std::slice::from_ref(key));
    if found.is_ok_and(|found| !found.is_empty()) { checkpoint.size } else { 0 }
}

/// `add-checkpoint` below a submission prefix.
fn add_checkpoint(prefix: &Uri) -> Uri {
    let text = format!("{}/add-checkpoint", prefix.to_string().trim_end_matches('/'));
    // A URL with a longer path is one.
    text.parse().unwrap_or_else(|_| prefix.clone())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use vidimus_log::{Entry, FileSystem, JournalKey, Log, Options, Signer};

    use super::*;

    /// A witness that answers every request so, and how many came.
    fn witness(status: u16, answer: &'static str) -> (config::Witness, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = Vec::new();
                // The note of a checkpoint is the last of it: text, an empty line, a signature.
                while !String::from_utf8_lossy(&request).contains("\n\n\u{2014} ") {
                    let mut part = [0; 4096];
                    let read = stream.read(&mut part).unwrap();
                    request.extend_from_slice(&part[..read]);
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close", answer.len());
                write!(stream, "{head}\r\n\r\n{answer}").unwrap();
            }
        });
        let key = WitnessKey::new("witness.example.com/w1", [0; 32]).unwrap();
        let (url, on_start) = (url.parse().unwrap(), config::OnStart::Refuse);
        (config::Witness { name: "w1".into(), url, key, on_start }, requests)
    }

    #[tokio::test]
    async fn only_more_than_there_is_was_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed("vidimus/gw", &[7; 32]).unwrap();
        let options = Options::new(dir.path(), "vidimus/gw", JournalKey::new(&[7; 32]));
        let options = Options { checkpoint_interval: TIMEOUT / 100, ..options };
        let (log, _) = Log::open(Arc::new(FileSystem), options, signer).unwrap();
        let witnessing = log.witnessing();
        let (older, signed) = witnessing.checkpoint();
        log.append(&[Entry::Leaf(b"one"), Entry::Leaf(b"two")]).unwrap();
        while log.status().integrated < 2 {
            tokio::time::sleep(TIMEOUT / 500).await;
        }
        // Somebody has shown it the newer checkpoint while it was asked with the older one.
        let (overtaken, requests) = witness(409, "2\n");
        let mut client = WitnessClient::new(&overtaken).unwrap();
        let error = client.ask(&witnessing, &older, &signed).await.unwrap_err();
        assert!(matches!(error, AskError::Overtaken(_)) && !error.is_contradiction(), "{error}");
        // It is asked again, whatever number it gave.
        assert!(client.ask(&witnessing, &older, &signed).await.is_err());
        assert_eq!(requests.load(Ordering::SeqCst), 2);
        let (ahead, _) = witness(409, "3\n");
        let error = WitnessClient::new(&ahead).unwrap().ask(&witnessing, &older, &signed).await.unwrap_err();
        assert!(matches!(error, AskError::Ahead { seen: 3, .. }) && error.is_contradiction(), "{error}");
    }

    #[test]
    fn the_prefix_may_end_in_a_slash_or_not() {
        for prefix in ["https://w.example.com", "https://w.example.com/", "https://w.example.com/a/b/"] {
            let url = add_checkpoint(&prefix.parse().unwrap()).to_string();
            assert_eq!(url, format!("{}/add-checkpoint", prefix.trim_end_matches('/')));
        }
    }
}
