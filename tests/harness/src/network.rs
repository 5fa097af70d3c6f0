//! Names and connections as a test wants them: no real network.

use cara_services::egress::{Dial, Resolver, Wire};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// A resolver that answers each name from a list, one entry a look-up; the last entry stays.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<BTreeMap<String, Vec<Vec<IpAddr>>>>>);

impl Names {
    /// Says what a name resolves to at the first look-up, the second, and so on.
    ///
    /// # Panics
    /// When an address is none.
    pub fn set(&self, name: &str, answers: &[&[&str]]) {
        let read = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).rev().collect();
        let answers = answers.iter().map(read).rev().collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), answers);
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = names
            .get_mut(name)
            .and_then(|answers| if answers.len() > 1 { answers.pop() } else { answers.last().cloned() });
        let answer = answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the test knows no such name"));
        Box::pin(async move { answer })
    }
}

/// Opens connections to loopback, and only notes where others would have gone.
#[derive(Clone, Default)]
pub struct Dialed(Arc<Mutex<Vec<SocketAddr>>>);

impl Dialed {
    /// Every address that was dialed, loopback too.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Dial for Dialed {
    fn dial(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(address);
        Box::pin(async move {
            if !address.ip().is_loopback() {
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "a test reaches loopback only"));
            }
            Ok(Box::new(tokio::net::TcpStream::connect(address).await?) as Box<dyn Wire>)
        })
    }
}
