//! TCP: listening and connecting, with the socket options that a mail server needs.
//!
//! Sockets only; who is let in and how many is decided by the listener that uses them.

use core::future::Future;
use core::pin::Pin;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Connections the kernel keeps waiting for us; a burst of devices at eight in the morning fits.
const BACKLOG: i32 = 1024;

/// Why a socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", cure(source))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The peer cannot be reached.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The peer.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The peer did not answer in time.
    #[error("cannot connect to {address}: no answer within {} seconds", timeout.as_secs_f32())]
    ConnectTimeout {
        /// The peer.
        address: SocketAddr,
        /// How long we waited.
        timeout: Duration,
    },
    /// The local address is of the other family than the peer's.
    #[error("cannot connect to {address} from {local}: one is IPv4, the other IPv6")]
    Family {
        /// The peer.
        address: SocketAddr,
        /// The address we were told to come from.
        local: IpAddr,
    },
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there: stop it or choose another port",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE, or choose a higher port"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address: check `listen` in the configuration",
        _ => "",
    }
}

/// Listens on `address`; port 0 lets the kernel choose one. An IPv6 address takes IPv6 only, so that `0.0.0.0` and
/// `[::]` can be listened on side by side and no peer appears as an IPv4-mapped address.
///
/// # Errors
/// [`NetworkError::Listen`], with the cure where one is known. Must be called within a tokio runtime.
pub fn listen(address: SocketAddr) -> Result<TcpListener, NetworkError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A restart must not wait for the connections of the process before it to leave TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| NetworkError::Listen { address, source })
}

/// Takes the next connection. Small packets leave at once: an SMTP dialogue is nothing but small packets.
///
/// # Errors
/// What the operating system says; when it is out of file descriptors, the caller should pause before trying again.
pub async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // A peer that is already gone makes this fail; its first read will say so.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer))
}

/// Connects to `address` within `timeout`, coming from `local` where that is given.
///
/// # Errors
/// `Connect`, `ConnectTimeout`, or `Family` when `local` cannot reach such an address.
pub async fn connect(address: SocketAddr, local: Option<IpAddr>, timeout: Duration) -> Result<TcpStream, NetworkError> {
    if let Some(local) = local.filter(|local| local.is_ipv4() != address.is_ipv4()) {
        return Err(NetworkError::Family { address, local });
    }
    let attempt = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(local) = local {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    match tokio::time::timeout(timeout, attempt).await {
        Ok(outcome) => outcome.map_err(|source| NetworkError::Connect { address, source }),
        Err(_) => Err(NetworkError::ConnectTimeout { address, timeout }),
    }
}

/// Octets both ways, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection in progress. Boxed, so that a dialer can be chosen at run time.
pub type Dial<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, NetworkError>> + Send + 'a>>;

/// Opens connections to other hosts.
pub trait Dialer: Send + Sync {
    /// Connects as [`connect`] does, with its errors.
    fn dial(&self, address: SocketAddr, local: Option<IpAddr>, timeout: Duration) -> Dial<'_>;
}

/// The network of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial(&self, address: SocketAddr, local: Option<IpAddr>, timeout: Duration) -> Dial<'_> {
        Box::pin(async move {
            let stream = connect(address, local, timeout).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn what_connects_is_accepted_without_delay() {
        let listener = listen(LOOPBACK).unwrap();
        let address = listener.local_addr().unwrap();
        let (outgoing, incoming) = tokio::join!(connect(address, Some(LOOPBACK.ip()), SECOND), accept(&listener));
        let ((incoming, peer), outgoing) = (incoming.unwrap(), outgoing.unwrap());
        assert_eq!(peer, outgoing.local_addr().unwrap());
        assert!(incoming.nodelay().unwrap() && outgoing.nodelay().unwrap());
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_its_cure() {
        let listener = listen(LOOPBACK).unwrap();
        let address = listener.local_addr().unwrap();
        let text = listen(address).unwrap_err().to_string();
        assert!(text.contains(&address.to_string()) && text.contains("choose another port"), "{text}");
    }

    #[tokio::test]
    async fn nobody_there_and_wrong_family_are_errors() {
        let address = listen(LOOPBACK).unwrap().local_addr().unwrap();
        assert!(matches!(connect(address, None, SECOND).await, Err(NetworkError::Connect { .. })));
        let local = Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
        assert!(matches!(connect(address, local, SECOND).await, Err(NetworkError::Family { .. })));
    }
}
