//! Chats that are streamed, one after another on each connection.

use super::daemon::Daemon;
use super::vendor::WORDS;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

/// What is asked.
const ASKED: &str = r#"{"model":"openai:m-1","stream":true,"messages":[{"role":"user","content":"say some words"}]}"#;

/// What came of all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) answers: usize,
    pub(super) words: usize,
    pub(super) errors: usize,
    /// The first error.
    pub(super) first: Option<String>,
}

/// All chats; a clone is the same.
#[derive(Clone)]
pub(super) struct Chats {
    daemon: Daemon,
    told: Arc<Mutex<Told>>,
    going: TaskTracker,
}

type Sender = SendRequest<Full<Bytes>>;

impl Chats {
    pub(super) fn new(daemon: &Daemon) -> Self {
        Self { daemon: daemon.clone(), told: Arc::default(), going: TaskTracker::new() }
    }

    fn now(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of them so far.
    pub(super) fn told(&self) -> Told {
        self.now().clone()
    }

    /// Waits until none goes on any more.
    pub(super) async fn ended(&self) {
        self.going.close();
        self.going.wait().await;
    }

    async fn connected(&self) -> Result<Sender> {
        let stream = TcpStream::connect(self.daemon.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // What it ends with, whoever asks through it hears.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// One chat, whole: how many words came.
    async fn chat(&self, sender: &mut Sender) -> Result<usize> {
        sender.ready().await?;
        let request = Request::post("/v1/chat/completions")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.daemon.token))
            .header("content-type", "application/json")
            .body(Full::from(ASKED))?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("the answer broke off")?.to_bytes();
        let text = std::str::from_utf8(&body)?;
        ensure!(status.is_success(), "{status}: {text}");
        let words = text.matches("word ").count();
        ensure!(words == WORDS as usize && text.ends_with("data: [DONE]\n\n"), "{words} words came: {text}");
        Ok(words)
    }

    /// One chat on a connection of its own.
    pub(super) async fn one(&self) -> Result<usize> {
        self.chat(&mut self.connected().await?).await
    }

    /// Chats until it is time; after an error on a new connection.
    pub(super) async fn again_and_again(self, after: Duration, until: Instant) {
        let _going = self.going.token();
        sleep(after).await;
        let mut sender = None;
        while Instant::now() < until {
            let done = async {
                let mut open = match sender.take() {
                    Some(open) => open,
                    None => self.connected().await?,
                };
                let words = self.chat(&mut open).await?;
                anyhow::Ok((open, words))
            };
            match done.await {
                Ok((open, words)) => {
                    let mut told = self.now();
                    (told.answers, told.words) = (told.answers + 1, told.words + words);
                    sender = Some(open);
                }
                Err(error) => {
                    {
                        let mut told = self.now();
                        told.errors += 1;
                        told.first.get_or_insert_with(|| format!("{error:#}"));
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}
