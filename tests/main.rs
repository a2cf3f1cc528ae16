//! Everything that needs servers, as one program: compiled once, run in parallel, each test with servers of
//! its own.

#[cfg(test)]
mod support;

#[cfg(test)]
mod rig;

#[cfg(test)]
mod connector;

#[cfg(test)]
mod demo;

#[cfg(test)]
mod commands;

#[cfg(test)]
mod options;

#[cfg(test)]
mod cases;

#[cfg(test)]
mod crash;

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod soak;

#[cfg(test)]
mod outbox_smtp;

#[cfg(test)]
mod postfix;

#[cfg(test)]
mod queue;

#[cfg(test)]
mod readme;
