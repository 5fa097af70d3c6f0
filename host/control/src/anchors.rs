//! Anchors of the audit log: the head of its chain on a line, signed by the
//! home, to be kept where nobody who reaches the home reaches it.
//!
//! A ledger that was put back whole from an older copy shows nothing by itself: its chain is right. An anchor names an event
//! that was there. A ledger that has it no more, or another one in its place, is not the one that was anchored.
//!
//! ```text
//! head of the chain, HomeKey ─→ Anchor ─→ a line elsewhere ─→ compared with the chain
//! ```

use crate::error::{Error, Result, error, fail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cara_authority::display_safe;
use cara_sdk_sign::{HomeKey, check_log_entry};
use cara_services::files;
use cara_services::home::Home;
use cara_services::ledger::Ledger;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};
use std::path::PathBuf;

/// The most that is compared at once, bytes.
pub const MOST: usize = 16 * 1024 * 1024;

/// The longest line, with the proof of a transparency log.
const LONGEST: usize = 128 * 1024;

/// The head of the audit log at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Anchor {
    /// The number of the newest event; 0 before the first.
    pub seq: u64,
    /// Its hash, hexadecimal: a MAC over it and all before it, which says nothing of what they are.
    pub hash: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Which home: the SHA-256 of the public half of its key for anchors, hexadecimal.
    pub home: String,
    /// That key's signature, ECDSA P-256 with SHA-256 in ASN.1 DER, Base64.
    pub signature: String,
    /// The proof that a transparency log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogProof>,
}

/// The proof that a transparency log has something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogProof {
    /// The URL of the log.
    pub url: String,
    /// The number of its entry.
    pub index: u64,
    /// The Sigstore bundle: what was signed for the log, and what it answered.
    pub bundle: serde_json::Value,
}

/// What a file of anchors says, where the ledger has all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct AnchorsHeld {
    /// How many there are.
    pub anchors: u64,
    /// The event that the newest of them names.
    pub newest: u64,
    /// When that one was made, Unix milliseconds.
    pub at_ms: u64,
    /// How many of them a transparency log has, as was checked.
    pub logged: u64,
    /// How many more are said to be in one; no trust root is set to check it with.
    pub unchecked: u64,
}

impl AnchorsHeld {
    /// What they say, in a line; `at` is the moment of the newest as people read it.
    pub fn told(&self, at: &str) -> String {
        let Self { anchors, newest, logged, unchecked, .. } = self;
        let logs = match logged + unchecked {
            0 => String::new(),
            _ => format!("; {logged} proven by a transparency log, {unchecked} not: no trust root is set"),
        };
        format!("anchors: {anchors} ok; the newest of event {newest}, {at}{logs}")
    }
}

/// Where the key is that signs anchors.
fn key_file(home: &Home) -> PathBuf {
    home.keys_dir().join("audit-anchor")
}

/// The key of a home that signs anchors, if it made one.
pub(crate) fn key(home: &Home) -> Result<Option<HomeKey>> {
    match files::read_private(&key_file(home), HomeKey::MAX_BYTES)? {
        Some(document) => {
            let key = HomeKey::from_pkcs8(&document);
            key.map(Some).map_err(|error| Error::from(error).context(format!("`{}`", key_file(home).display())))
        }
        None => Ok(None),
    }
}

/// The same key; made at the first call.
pub(crate) fn key_or_new(home: &Home) -> Result<HomeKey> {
    if let Some(key) = key(home)? {
        return Ok(key);
    }
    let fresh = HomeKey::generate()?;
    files::ensure_private_dir(&home.keys_dir())?;
    files::create_private(&key_file(home), fresh.pkcs8())?;
    key(home)?.ok_or_else(|| error!(Internal, "`{}` is gone again\nhint: do it again", key_file(home).display()))
}

impl Anchor {
    /// Says what the head is.
    pub(crate) fn new(key: &HomeKey, (seq, hash): (u64, &[u8]), at_ms: u64) -> Result<Self> {
        let (hash, home) = (hex::encode(hash), key.id());
        let mut anchor = Self { seq, hash, at_ms, home, signature: String::new(), log: None };
        anchor.signature = STANDARD.encode(key.sign(&anchor.message())?);
        Ok(anchor)
    }

    /// What is signed.
    pub(crate) fn message(&self) -> Vec<u8> {
        let Self { seq, hash, at_ms, home, .. } = self;
        format!("cara audit anchor 1\n{home}\n{seq}\n{hash}\n{at_ms}\n").into_bytes()
    }

    /// The anchor on a line.
    pub(crate) fn line(&self) -> String {
        serde_json::to_string(self).expect("an anchor of texts and numbers always has a JSON form")
    }

    fn read(line: &str, number: usize) -> Result<Self> {
        let hint = "take the line out, if the machine stopped while it was written; else somebody changed the file";
        if line.len() > LONGEST {
            fail!(Invalid, "line {number} of the anchors has over {LONGEST} bytes\nhint: {hint}");
        }
        // Nothing of it is told: the file may be any.
        let read = serde_json::from_str(line);
        read.map_err(|_| error!(Invalid, "line {number} of the anchors is no anchor\nhint: {hint}"))
    }

    /// Whether this home made it.
    fn check(&self, key: &HomeKey, number: usize) -> Result<()> {
        let (of, own) = (display_safe(&self.home), key.id());
        if self.home != own {
            fail!(
                Conflict,
                "line {number} of the anchors is of home `{of}`, and this one is `{own}`\n\
                 hint: name the file of this home; if it is, the home was put back from before its first anchor"
            );
        }
        if !STANDARD.decode(&self.signature).is_ok_and(|signature| key.made(&signature, &self.message())) {
            fail!(
                Conflict,
                "line {number} of the anchors was changed: this home did not sign what it says\n\
                 hint: get the file anew from where it is kept; somebody may write to it who should not"
            );
        }
        Ok(())
    }

    fn when(&self) -> String {
        let at = i64::try_from(self.at_ms).ok().and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok());
        at.map_or_else(|| self.at_ms.to_string(), |at| format!("{at:.0}"))
    }

    /// Says that the ledger does not have what was anchored; `last` is its newest event.
    fn missing(&self, number: usize, last: u64) -> Error {
        let (seq, when) = (self.seq, self.when());
        if last < seq {
            return error!(
                Conflict,
                "the ledger ends with event {last}, and event {seq} was there at {when} (line {number} of the anchors): an \
                 older copy of the ledger was put back, or its end was cut off\n\
                 hint: put the newest copy back; grants, revocations and approvals since event {last} are not in this one"
            );
        }
        error!(
            Conflict,
            "event {seq} of the ledger is not the one that was there at {when} (line {number} of the anchors): the ledger \
             was put back to before it, and went on from there\n\
             hint: put a copy back that has the anchored event; `cara audit show` lists what happened instead"
        )
    }
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty())
}

/// The lines of a file of anchors that are looked at before another is added: the last, and the one of the newest event, which
/// is another where somebody added an older line again.
#[derive(Default)]
pub(crate) struct Newest {
    last: Option<(usize, String)>,
    highest: Option<(u64, (usize, String))>,
    /// Whether a line behind them would stand by itself.
    pub(crate) is_ended: bool,
}

impl Newest {
    /// Those of an empty file.
    pub(crate) fn none() -> Self {
        Self { is_ended: true, ..Self::default() }
    }

    /// Those of a file of any size, read line by line.
    pub(crate) fn of(mut file: impl BufRead) -> std::io::Result<Self> {
        let (mut newest, mut number, mut line) = (Self::none(), 0, Vec::new());
        while file.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line)? > 0 {
            number += 1;
            newest.is_ended = line.ends_with(b"\n");
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if let Ok(anchor) = Anchor::read(&text, number)
                && newest.highest.as_ref().is_none_or(|(seq, _)| *seq <= anchor.seq)
            {
                newest.highest = Some((anchor.seq, (number, text.clone())));
            }
            if !text.is_empty() {
                newest.last = Some((number, text));
            }
            line.clear();
        }
        Ok(newest)
    }

    /// Whether there is no line.
    pub(crate) fn is_none(&self) -> bool {
        self.last.is_none()
    }

    /// Whether a ledger has the anchors of these lines, as far as its head and rows say; a file without any is fine. Over a
    /// ledger that was put back nothing is anchored.
    pub(crate) async fn check(&self, ledger: &Ledger, key: &HomeKey) -> Result<()> {
        let highest = self.highest.as_ref().map(|(_, line)| line);
        for (number, text) in highest.into_iter().chain(&self.last) {
            let anchor = Anchor::read(text, *number)?;
            anchor.check(key, *number)?;
            let (last, _) = ledger.newest_event().await?;
            let there = match anchor.seq {
                0 => true,
                // A row behind the head may be there, and is none of the log.
                seq if last < seq => false,
                seq => {
                    cara_records::event_hash(ledger, seq).await?.is_some_and(|hash| hex::encode(hash) == anchor.hash)
                }
            };
            if !there {
                return Err(anchor.missing(*number, last));
            }
        }
        Ok(())
    }
}

/// The anchors of a text, all made by one home, by the event that each names, and what they say.
pub(crate) struct Wanted {
    by_seq: BTreeMap<u64, Vec<(usize, Anchor)>>,
    held: AnchorsHeld,
}

impl Wanted {
    /// Reads and checks each, which takes the processor a while. `root` is the text of the trust root, if one is set.
    pub(crate) fn of(key: Option<&HomeKey>, text: &str, root: Option<&str>) -> Result<Self> {
        let Some((first, _)) = lines(text).next() else {
            fail!(Invalid, "there is no anchor in it\nhint: name the file that `cara audit anchor --file` wrote");
        };
        let Some(key) = key else {
            fail!(
                Conflict,
                "line {first} of the anchors is there, and this home has no key that signs any\n\
                 hint: name the file of this home; if it is, the home was put back from before its first anchor"
            );
        };
        // Two that name one event and differ: the ledger has one of them at most.
        let mut by_seq: BTreeMap<u64, Vec<(usize, Anchor)>> = BTreeMap::new();
        let mut held = AnchorsHeld { anchors: 0, newest: 0, at_ms: 0, logged: 0, unchecked: 0 };
        for (number, line) in lines(text) {
            let anchor = Anchor::read(line, number)?;
            let beside = by_seq.entry(anchor.seq).or_default();
            // The same once more is looked at once.
            if !beside.iter().any(|(_, other)| *other == anchor) {
                anchor.check(key, number)?;
                if let (Some(proof), Some(root)) = (&anchor.log, root) {
                    let checked = check_log_entry(&proof.bundle.to_string(), &anchor.message(), key, root);
                    checked.map_err(|error| Error::from(error).context(format!("line {number} of the anchors")))?;
                }
                (held.newest, held.at_ms) = (held.newest.max(anchor.seq), held.at_ms.max(anchor.at_ms));
                beside.push((number, anchor.clone()));
            }
            held.anchors += 1;
            match (&anchor.log, root) {
                (Some(_), Some(_)) => held.logged += 1,
                (Some(_), None) => held.unchecked += 1,
                (None, _) => {}
            }
        }
        by_seq.remove(&0);
        Ok(Self { by_seq, held })
    }

    /// Whether the chain is whole and has every one of them; the number of events, and what they say.
    pub(crate) async fn compare(mut self, ledger: &Ledger) -> Result<(u64, AnchorsHeld)> {
        let mut other: Option<(usize, Anchor)> = None;
        let mut see = |seq: u64, hash: &[u8]| {
            let here = self.by_seq.remove(&seq).unwrap_or_default();
            let hash = hex::encode(hash);
            let differs = here.into_iter().find(|(_, anchor)| anchor.hash != hash);
            other = other.take().or(differs);
        };
        let events = ledger.see_events(&mut see).await?;
        if let Some((number, anchor)) = other.or_else(|| self.by_seq.into_values().flatten().next()) {
            return Err(anchor.missing(number, events));
        }
        Ok((events, self.held))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use cara_services::clock::Clock;
    use cara_services::ledger::sql::AssertSqlSafe;
    use serde_json::json;
    use zeroize::Zeroizing;

    #[tokio::test]
    async fn a_row_behind_the_head_of_the_log_is_none_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::lazy(folder.path().join("ledger.db"), Clock::fixed(1), Zeroizing::new([7; 32]));
        for _ in 0..2 {
            ledger.append("test", "x", json!({})).await.unwrap();
        }
        let (key, hash) = (HomeKey::generate().unwrap(), [4; 32]);
        let line = |seq: u64, hash: &[u8]| Anchor::new(&key, (seq, hash), 1).unwrap().line();
        let check =
            async |lines: &[String]| Newest::of(lines.join("\n").as_bytes()).unwrap().check(&ledger, &key).await;
        let (_, own) = ledger.newest_event().await.unwrap();
        check(&[line(2, &own)]).await.unwrap();
        // Event 4 was anchored, and an older ledger was put back; whoever did has a copy of the row.
        let row = format!("INSERT INTO events VALUES (4, 1, 'test', 'x', '{{}}', x'00', x'{}')", hex::encode(hash));
        ledger.reader().await.unwrap().sql().script(AssertSqlSafe(row)).await.unwrap();
        // Nor does it help to add an older line again.
        for lines in [vec![line(4, &hash)], vec![line(4, &hash), line(2, &own)]] {
            let told = check(&lines).await.unwrap_err().to_string();
            assert!(told.contains("the ledger ends with event 2, and event 4 was there"), "{told}");
        }
    }

    #[test]
    fn a_line_that_is_longer_than_any_anchor_is_refused_by_its_number() {
        let key = HomeKey::generate().unwrap();
        let good = Anchor::new(&key, (1, [4; 32].as_slice()), 1).unwrap().line();
        let long = "x".repeat(LONGEST + 1);
        let told = Wanted::of(Some(&key), &format!("{good}\n{long}\n{good}\n"), None).err().unwrap().to_string();
        assert!(told.starts_with("line 2 of the anchors has over 131072 bytes\nhint: "), "{told}");
        assert!(Wanted::of(Some(&key), &format!("{good}\n{good}\n"), None).is_ok());
    }
}
