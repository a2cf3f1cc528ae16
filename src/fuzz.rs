//! Random input for everything that reads what others wrote: `make fuzz`.
//!
//! Each target begins with the files in `fixtures/fuzz/TARGET`, plays them as they are, and then changes and
//! mixes them. What leads to an outcome that was not seen before joins them, so that one damage builds on the
//! other. An input that breaks a promise is written into the target's folder: from then on it is played each
//! time.
//!
//! `DIRHERALD_FUZZ_CASES` and `DIRHERALD_FUZZ_SEED` say how many cases and which; without them a short run shows
//! that the targets work.

pub mod ber;
#[path = "../tests/support/random.rs"]
pub mod random;
pub mod text;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use self::random::Random;

const SHORT_RUN: usize = 2_000;

/// What no case may take, on a busy machine and without optimisation.
const LONGEST: Duration = Duration::from_secs(5);

/// More are not kept: the mutations of each would become rare.
const MOST_KEPT: usize = 2_000;

/// An input longer than this is cut.
const LONGEST_INPUT: usize = 16 << 10;

/// How inputs of one kind are changed. Given are those worth changing, never none.
pub type Mutate = fn(&mut Random, &[Vec<u8>]) -> Vec<u8>;

/// Runs one target: `body` promises not to panic, and gives what became of the input.
pub fn run(target: &str, mutate: Mutate, body: impl FnMut(&[u8]) -> String) {
    run_slow(target, mutate, 1, body);
}

/// The same where each case takes so much longer that only one of `share` is played.
pub fn run_slow(target: &str, mutate: Mutate, share: usize, body: impl FnMut(&[u8]) -> String) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let cases = number("DIRHERALD_FUZZ_CASES").unwrap_or(SHORT_RUN);
    let seed = number("DIRHERALD_FUZZ_SEED").unwrap_or(1);
    Run { target, body, outcomes: BTreeSet::new(), kept: Vec::new() }.all(
        mutate,
        cases.div_ceil(share),
        seed,
    );
}

struct Run<'a, B> {
    target: &'a str,
    body: B,
    outcomes: BTreeSet<String>,
    kept: Vec<Vec<u8>>,
}

impl<B: FnMut(&[u8]) -> String> Run<'_, B> {
    fn all(mut self, mutate: Mutate, cases: usize, seed: usize) {
        let start = Instant::now();
        let seeds = seeds(self.target);
        assert!(!seeds.is_empty(), "no seeds of {}", self.target);
        for input in &seeds {
            self.play(input);
        }
        self.kept.extend(seeds);
        let mut random = Random::new(u64::try_from(seed).expect("a number"));
        for _ in 0..cases {
            let mut input = mutate(&mut random, &self.kept);
            input.truncate(LONGEST_INPUT);
            if self.play(&input) && self.kept.len() < MOST_KEPT {
                self.kept.push(input);
            }
        }
        println!(
            "{}: {cases} cases, seed {seed}, {} outcomes, {:.1} s",
            self.target,
            self.outcomes.len(),
            start.elapsed().as_secs_f64()
        );
    }

    /// Whether the outcome is new.
    fn play(&mut self, input: &[u8]) -> bool {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.body)(input))).unwrap_or_else(|panic| {
            self.keep(input);
            resume_unwind(panic)
        });
        if start.elapsed() > LONGEST {
            self.keep(input);
            panic!("{}: {} bytes took {:?}", self.target, input.len(), start.elapsed());
        }
        self.outcomes.insert(outcome)
    }

    fn keep(&self, input: &[u8]) {
        let sum = input.iter().fold(5381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(*byte));
        let file = folder(self.target).join(format!("found-{sum:08x}"));
        let written = fs::write(&file, input);
        eprintln!("{}: kept as {}: {written:?}\n{}", self.target, file.display(), input.escape_ascii());
    }
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(target)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder(target)).expect("the target's seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a seed").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("a seed")).collect()
}

/// Changes some bytes, wherever they are.
pub fn bytes(random: &mut Random, kept: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.choose(kept).expect("never none");
    for _ in 0..=random.below(4) {
        change_bytes(random, &mut input, kept);
    }
    input
}

fn change_bytes(random: &mut Random, input: &mut Vec<u8>, kept: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let rest = input.len() - at;
    let some = random.below(rest.min(32) + 1);
    match random.below(7) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            let byte =
                random.choose(&[0, 1, 4, 0x7f, 0x80, 0x81, 0x84, 0xff, b'\\', b'(', b'"']).expect("some");
            input.splice(at..at + some.min(1), [byte]);
        }
        2 => drop(input.drain(at..at + some)),
        3 => {
            let copy = input[at..at + some].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        4 => {
            let other = random.choose(kept).expect("never none");
            let from = random.below(other.len() + 1);
            input.splice(at.., other[from..].iter().copied());
        }
        5 => {
            let new: Vec<u8> = (0..random.below(8)).map(|_| any_byte(random)).collect();
            input.splice(at..at, new);
        }
        _ => input.truncate(at),
    }
}

fn any_byte(random: &mut Random) -> u8 {
    u8::try_from(random.below(256)).expect("less than 256")
}
