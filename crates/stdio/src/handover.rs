//! What the three processes say to each other, over a Unix socket that is the later one's standard input.
//!
//! First a confinement in JSON with the program's three streams (`SCM_RIGHTS`, `unix(7)`): nothing of it stands in
//! arguments or environment, where others could read it. Then single bytes downwards (orders) and lines of JSON upwards
//! (reports). A socket that closes is an order too: kill everything.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::confinement::{Confinement, MAX_CONFINEMENT};

/// Order: ask every process to end.
pub(crate) const TERMINATE: u8 = b'T';
/// Order: kill every process.
pub(crate) const KILL: u8 = b'K';

/// A length in front of the JSON.
const LENGTH: usize = 4;
/// Standard input, output and error.
const STREAMS: usize = 3;
/// Beyond a confinement: the scratch directory's path.
const MAX_TASK: usize = MAX_CONFINEMENT + 8 * 1024;

/// What the next stage is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    pub(crate) confinement: Confinement,
    /// The scratch directory, once the supervisor has made it.
    pub(crate) scratch: Option<PathBuf>,
}

/// What the supervisor tells the gateway.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Report {
    /// The program runs, confined.
    Started { pid: u32 },
    /// It was not started.
    Refused { reason: String },
    /// Everything has ended and the scratch directory is gone.
    Ended { status: Option<Status> },
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// By itself, with this exit status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// The program's standard input, output and error.
#[derive(Debug)]
pub(crate) struct Streams(pub(crate) [OwnedFd; STREAMS]);

/// The socket that this stage was started with.
pub(crate) fn socket_to_parent() -> io::Result<UnixStream> {
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Hands over a task and the streams. Blocks while the socket is full.
pub(crate) fn send(mut socket: &UnixStream, task: &Task, streams: &Streams) -> io::Result<()> {
    let json = serde_json::to_vec(task)?;
    let length = u32::try_from(json.len()).ok().filter(|_| json.len() <= MAX_TASK);
    let length = length.ok_or_else(|| io::Error::other("the confinement is too large"))?;
    let streams: [BorrowedFd<'_>; STREAMS] = streams.0.each_ref().map(|stream| stream.as_fd());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&streams)) {
        return Err(io::Error::other("three descriptors do not fit"));
    }
    // Four bytes go at once or not at all.
    sendmsg(socket, &[IoSlice::new(&length.to_be_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    socket.write_all(&json)
}

/// Takes what `send` sent; every descriptor is marked close-on-exec.
pub(crate) fn receive(mut socket: &UnixStream) -> io::Result<(Task, Streams)> {
    let mut length = [0; LENGTH];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(STREAMS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "this is no task: only the gateway starts this");
    // An error is a standard input that is no socket.
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut length)], &mut control, RecvFlags::CMSG_CLOEXEC)
        .map_err(|_| invalid())?;
    let mut streams = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            streams.extend(descriptors);
        }
    }
    let streams: [OwnedFd; STREAMS] = streams.try_into().map_err(|_| invalid())?;
    let size = usize::try_from(u32::from_be_bytes(length)).map_err(|_| invalid())?;
    if received.bytes != LENGTH || size > MAX_TASK {
        return Err(invalid());
    }
    let mut json = vec![0; size];
    socket.read_exact(&mut json)?;
    Ok((serde_json::from_slice(&json)?, Streams(streams)))
}

/// Tells the gateway something.
pub(crate) fn report(mut socket: &UnixStream, report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    socket.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_arrives_with_its_streams() {
        let (one, other) = UnixStream::pair().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let (mut output, input) = io::pipe().unwrap();
        let confinement = Confinement::new(vec!["true".to_owned()], vec!["/data".into()]);
        let streams = Streams([reader.into(), input.into(), writer.into()]);
        send(&one, &Task { confinement, scratch: Some("/scratch".into()) }, &streams).unwrap();
        drop(streams);

        let (task, Streams([_, second, _])) = receive(&other).unwrap();
        assert_eq!(task.confinement.command, ["true"]);
        assert_eq!(task.scratch, Some("/scratch".into()));
        io::PipeWriter::from(second).write_all(b"through").unwrap();
        let mut read = String::new();
        output.read_to_string(&mut read).unwrap();
        assert_eq!(read, "through");
    }

    #[test]
    fn what_is_no_task_is_refused() {
        let (mut one, other) = UnixStream::pair().unwrap();
        one.write_all(b"{}{}{}").unwrap();
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_socket_that_closed_is_no_task() {
        let (one, other) = UnixStream::pair().unwrap();
        drop(one);
        assert_eq!(receive(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
