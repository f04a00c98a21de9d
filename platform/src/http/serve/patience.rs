//! How long a connection is waited for: for a head, for the next request, and for a reader.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

/// From the first byte of a request's head to its last. A head is one packet or two.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a connection may carry nothing between two requests, or in an answer that is streamed. Longer than the load
/// balancer's 60 s: were it shorter, the balancer would send a request into a connection that is being closed.
const IDLE_FOR: Duration = Duration::from_secs(75);

/// How long a client may take nothing of what is written to it.
const STALLED_FOR: Duration = Duration::from_secs(30);

/// How exactly these times are kept.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is waited for on a connection, and since when.
#[derive(Debug)]
pub(super) struct Patience(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when a write has been waiting for the peer.
    stalled: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// For the next request, or for more of a streamed answer; since the last byte.
    Idle(Instant),
    /// For the rest of a head; since its first byte.
    Head(Instant),
    /// For us. The request's own deadline holds, for its body too.
    Answering,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { phase: Phase::Idle(Instant::now()), stalled: None }))
    }

    /// A head was read.
    pub(super) fn answering(&self) {
        self.state().phase = Phase::Answering;
    }

    /// An answer has begun.
    pub(super) fn answered(&self) {
        self.state().phase = Phase::Idle(Instant::now());
    }

    /// Completes when the peer has been waited for long enough; tells for what.
    pub(super) async fn ends(&self) -> &'static str {
        loop {
            if let Some(waited) = self.state().overdue(Instant::now()) {
                return waited;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn read(&self, bytes: usize) {
        let mut state = self.state();
        if bytes > 0
            && let Phase::Idle(_) = state.phase
        {
            state.phase = Phase::Head(Instant::now());
        }
    }

    fn written<T>(&self, written: &Poll<T>) {
        let mut state = self.state();
        match written {
            Poll::Pending => state.stalled = state.stalled.or_else(|| Some(Instant::now())),
            Poll::Ready(_) => {
                state.stalled = None;
                if let Phase::Idle(since) = &mut state.phase {
                    *since = Instant::now();
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn overdue(&self, now: Instant) -> Option<&'static str> {
        let waited = |since: Instant| now.saturating_duration_since(since);
        match (self.stalled, self.phase) {
            (Some(since), _) if waited(since) >= STALLED_FOR => Some("for its reader"),
            (None, Phase::Head(since)) if waited(since) >= HEAD_WITHIN => Some("for a head"),
            (None, Phase::Idle(since)) if waited(since) >= IDLE_FOR => Some("for a request"),
            _ => None,
        }
    }
}

/// A connection that is waited for with patience.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    patience: Arc<Patience>,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, patience: Arc<Patience>) -> Self {
        Self { stream, patience }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.patience.read(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.patience.written(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.patience.written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_has_its_end_and_work_of_ours_has_none() {
        let began = Instant::now();
        let ends = |phase, stalled: Option<Instant>, at: Duration| State { phase, stalled }.overdue(began + at);
        let just = Duration::from_millis(1);
        for (phase, bound, waited) in
            [(Phase::Head(began), HEAD_WITHIN, "for a head"), (Phase::Idle(began), IDLE_FOR, "for a request")]
        {
            assert_eq!(ends(phase, None, bound.saturating_sub(just)), None);
            assert_eq!(ends(phase, None, bound), Some(waited));
        }
        assert_eq!(ends(Phase::Answering, None, IDLE_FOR * 100), None);
        assert_eq!(ends(Phase::Idle(began), Some(began), STALLED_FOR.saturating_sub(just)), None);
        assert_eq!(ends(Phase::Idle(began), Some(began), STALLED_FOR), Some("for its reader"));
    }

    #[tokio::test]
    async fn a_head_is_timed_from_its_first_byte_and_an_answer_makes_idle() {
        let patience = Patience::new();
        let phase = || patience.state().phase;
        assert!(matches!(phase(), Phase::Idle(_)));
        patience.read(0);
        assert!(matches!(phase(), Phase::Idle(_)));
        patience.read(1);
        let Phase::Head(first) = phase() else { panic!("{:?}", phase()) };
        patience.read(1);
        assert!(matches!(phase(), Phase::Head(still) if still == first));
        patience.answering();
        patience.read(1);
        assert!(matches!(phase(), Phase::Answering));
        patience.answered();
        patience.written(&Poll::<()>::Pending);
        let stalled = patience.state().stalled;
        patience.written(&Poll::<()>::Pending);
        assert!(stalled.is_some() && patience.state().stalled == stalled);
        patience.written(&Poll::Ready(()));
        assert!(patience.state().stalled.is_none());
        assert!(matches!(phase(), Phase::Idle(_)));
    }
}
