//! The local socket between the command line and a running server: one request a line, answers a line each.
//!
//! Only the server's own user and root may speak: the socket lies in the data directory (mode 0700), has mode 0600, and
//! the kernel is asked who the peer is. Lines are bounded, idle peers are let go, and whatever arrives that is no
//! request gets an answer that says so; none of it ends the server.
//!
//! A client sends [`Call`] and reads [`Line`]s until the response; then it may send the next.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::office::{self, Failure, Office, Progress, Request, Response};

/// The socket's name in the data directory.
pub const SOCKET_NAME: &str = "admin.sock";
/// The longest request: an import of a large organisation.
const REQUEST_BYTES_MAX: u64 = 256 << 20;
/// The longest answer: an export of a large organisation.
const RESPONSE_BYTES_MAX: u64 = 1 << 30;
/// How long a peer may be silent, or take to read its answer.
const IDLE: Duration = Duration::from_secs(60);
/// How many peers are served at once; more wait.
const PEERS_MAX: usize = 16;
/// How many progress lines may wait for a slow reader; more are left out.
const PROGRESS_BACKLOG: usize = 64;
/// The kernel's limit for the path of a socket, less its final zero.
const PATH_BYTES_MAX: usize = 107;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What is asked.
    pub request: Request,
}

/// What the server sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The work goes on.
    Progress(Progress),
    /// The work is done.
    Response(Box<Response>),
}

/// Why the socket could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is longer than the system permits.
    #[error("the path of the socket, {}, is longer than {PATH_BYTES_MAX} octets; give a shorter one with --socket",
        .0.display())]
    PathTooLong(PathBuf),
    /// Another server listens there.
    #[error("another server already answers at {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// Something else than a socket has that name.
    #[error("{} exists and is no socket; move it away", .0.display())]
    NoSocket(PathBuf),
    /// Nobody listens there.
    #[error("no server answers at {}", .0.display())]
    NotRunning(PathBuf),
    /// It may not be opened.
    #[error(
        "You do not have permission to access this page or perform this action: {} may be opened by its owner and root \
         only; try again with sudo, or as the server's user",
        .0.display()
    )]
    Forbidden(PathBuf),
    /// The system failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server ended, or said something that is no answer.
    #[error("the server at {} broke off before it answered; `franking check` and its log may tell why", .0.display())]
    BrokenOff(PathBuf),
}

/// Makes the socket at `path`, open to its owner only. A file that a killed server left behind is replaced. Must be
/// called within a tokio runtime.
///
/// # Errors
/// Every variant of [`SocketError`] but `NotRunning`, `Forbidden` and `BrokenOff`.
pub fn listen(path: &Path) -> Result<UnixListener, SocketError> {
    if path.as_os_str().len() > PATH_BYTES_MAX {
        return Err(SocketError::PathTooLong(path.to_owned()));
    }
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(SocketError::NoSocket(path.to_owned())),
        Ok(_) => match BlockingStream::connect(path) {
            Ok(_) => return Err(SocketError::InUse(path.to_owned())),
            // Nobody listens: it is what a killed server left behind.
            Err(_) => std::fs::remove_file(path).map_err(failed)?,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Answers requests until the task is dropped. `path` is where `listener` was made; its owner is who may speak.
///
/// # Errors
/// `Io`, when the owner of the socket cannot be told. Failures of single peers end those alone.
pub async fn serve(listener: UnixListener, path: &Path, office: Arc<Office>) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let owner = std::fs::metadata(path).map_err(failed)?.uid();
    let places = Arc::new(Semaphore::new(PEERS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, _)) => {
                let office = Arc::clone(&office);
                tokio::spawn(async move {
                    if let Err(error) = attend(stream, owner, office).await {
                        tracing::debug!(%error, "a local administrator's connection ended early");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the administration socket cannot accept");
                // Out of file descriptors, for example: trying again at once would only burn time.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Serves one peer until it goes.
async fn attend(stream: UnixStream, owner: u32, office: Arc<Office>) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let (read, mut write) = stream.into_split();
    if peer.uid() != owner && peer.uid() != 0 {
        let failure = Failure::refused("Only the server's own user and root may ask.");
        return answer(&mut write, &Line::Response(Box::new(Response::Failed(failure)))).await;
    }
    let actor: Arc<str> = format!("uid {}", peer.uid()).into();
    let mut read = tokio::io::BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut read).take(REQUEST_BYTES_MAX);
        let Ok(count) = tokio::time::timeout(IDLE, bounded.read_until(b'\n', &mut line)).await else {
            // A peer that went to sleep.
            return Ok(());
        };
        if count? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            let failure = Failure::refused("The request is too long, or was cut off.");
            return answer(&mut write, &Line::Response(Box::new(Response::Failed(failure)))).await;
        }
        match serde_json::from_slice::<Call>(&line) {
            Ok(call) => work(&mut write, &office, &actor, call.request).await?,
            Err(error) => {
                let failure = Failure::refused(format!("This is no request: {error}"))
                    .cured_by("use the franking program of the same version as the server");
                answer(&mut write, &Line::Response(Box::new(Response::Failed(failure)))).await?;
            }
        }
    }
}

/// Carries out one request on a thread that may block, and passes on its progress.
async fn work(
    write: &mut (impl tokio::io::AsyncWrite + Unpin),
    office: &Arc<Office>,
    actor: &Arc<str>,
    request: Request,
) -> io::Result<()> {
    let (sender, mut steps) = mpsc::channel(PROGRESS_BACKLOG);
    let (office, actor) = (Arc::clone(office), Arc::clone(actor));
    let mut task = tokio::task::spawn_blocking(move || {
        // Progress that nobody reads in time is left out; the response never is.
        office::handle(&office, &actor, request, &mut |step| drop(sender.try_send(step)))
    });
    loop {
        tokio::select! {
            Some(step) = steps.recv() => answer(write, &Line::Progress(step)).await?,
            outcome = &mut task => {
                let response = outcome.unwrap_or_else(|_| {
                    Response::Failed(Failure::unavailable("The server failed while it did this; its log says more."))
                });
                return answer(write, &Line::Response(Box::new(response))).await;
            }
        }
    }
}

async fn answer(write: &mut (impl tokio::io::AsyncWrite + Unpin), line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    tokio::time::timeout(IDLE, write.write_all(&text)).await?
}

/// Asks the server that listens at `path`. Blocks until it has answered.
///
/// # Errors
/// `NotRunning` when nobody listens, `Forbidden` when we may not ask, `BrokenOff` when the answer does not come.
pub fn ask(path: &Path, request: Request, progress: &mut dyn FnMut(Progress)) -> Result<Response, SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), source };
    let mut stream = BlockingStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => SocketError::NotRunning(path.to_owned()),
        io::ErrorKind::PermissionDenied => SocketError::Forbidden(path.to_owned()),
        // A path that no socket can have is a path where no server is.
        io::ErrorKind::InvalidInput => SocketError::NotRunning(path.to_owned()),
        _ => failed(error),
    })?;
    let mut text = serde_json::to_vec(&Call { request }).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    stream.write_all(&text).map_err(failed)?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        (&mut lines).take(RESPONSE_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
        match serde_json::from_slice(&line) {
            Ok(Line::Progress(step)) => progress(step),
            Ok(Line::Response(response)) => return Ok(*response),
            Err(_) => return Err(SocketError::BrokenOff(path.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::office::tests::office;

    async fn started(directory: &Path) -> PathBuf {
        let path = directory.join(SOCKET_NAME);
        let listener = listen(&path).unwrap();
        let at = path.clone();
        tokio::spawn(async move { serve(listener, &at, Arc::new(office())).await });
        path
    }

    async fn asked(path: &Path, request: Request) -> Result<Response, SocketError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || ask(&path, request, &mut |_| {})).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_is_answered_and_the_socket_is_closed_to_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = started(directory.path()).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(asked(&path, Request::Ping).await.unwrap(), Response::Alive { .. }));
        let shown = asked(&path, Request::RecipientShow { identity: "alice".to_owned() }).await.unwrap();
        assert!(matches!(shown, Response::Recipient(_)));
    }

    #[tokio::test]
    async fn garbage_is_answered_and_never_ends_the_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = started(directory.path()).await;
        let long = [b"{\"request\":\"".as_slice(), &[b'a'; 100_000]].concat();
        for garbage in [b"\n".as_slice(), b"hello\n", b"{\"request\":{}}\n", b"\xff\x00\xfe\n", b"[[[[", &long] {
            let mut stream = UnixStream::connect(&path).await.unwrap();
            stream.write_all(garbage).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert!(text.contains("\"failed\""), "{text}");
        }
        assert!(matches!(asked(&path, Request::Ping).await.unwrap(), Response::Alive { .. }));
    }

    #[tokio::test]
    async fn what_a_killed_server_left_behind_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SOCKET_NAME);
        drop(listen(&path).unwrap());
        assert!(path.exists());
        assert!(matches!(asked(&path, Request::Ping).await, Err(SocketError::NotRunning(_))));
        let path = started(directory.path()).await;
        assert!(matches!(listen(&path), Err(SocketError::InUse(_))));
        std::fs::write(directory.path().join("file"), "").unwrap();
        assert!(matches!(listen(&directory.path().join("file")), Err(SocketError::NoSocket(_))));
        assert!(matches!(listen(&directory.path().join("x".repeat(200))), Err(SocketError::PathTooLong(_))));
    }
}
