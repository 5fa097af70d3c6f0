//! Samples of one figure, and two figures sampled in turns.

use anyhow::Result;
use std::future::Future;
use std::time::Instant;

/// What was measured, sorted: seconds or bytes.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Sorts them.
    ///
    /// # Panics
    /// When there are none: a figure without a sample is a mistake here.
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "a figure needs a sample");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The one in the middle.
    pub(crate) fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The smallest.
    pub(crate) fn best(&self) -> f64 {
        self.0[0]
    }

    /// Each divided by so many repetitions.
    pub(crate) fn each(self, repetitions: usize) -> Self {
        Self(self.0.into_iter().map(|value| value / repetitions as f64).collect())
    }
}

/// Times one piece of work.
pub(crate) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}

/// Takes samples of both in turns: what slows the machine for a while slows both. The first of each is thrown away.
pub(crate) fn in_turns(
    count: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut floor: impl FnMut() -> Result<f64>,
) -> Result<(Samples, Samples)> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for turn in 0..=count {
        let pair = (ours()?, floor()?);
        if turn > 0 {
            left.push(pair.0);
            right.push(pair.1);
        }
    }
    Ok((Samples::new(left), Samples::new(right)))
}

/// [`in_turns`] for work that waits; each sample is the time it takes.
pub(crate) async fn timed_in_turns<Ours, Floor>(
    count: usize,
    mut ours: impl FnMut() -> Ours,
    mut floor: impl FnMut() -> Floor,
) -> Result<(Samples, Samples)>
where
    Ours: Future<Output = Result<()>>,
    Floor: Future<Output = Result<()>>,
{
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for turn in 0..=count {
        let began = Instant::now();
        ours().await?;
        let between = Instant::now();
        floor().await?;
        if turn > 0 {
            left.push((between - began).as_secs_f64());
            right.push(between.elapsed().as_secs_f64());
        }
    }
    Ok((Samples::new(left), Samples::new(right)))
}
