//! From a rendered mail to an accepted one: the message format, the states of a delivery, when to try
//! again, and the mailer. Only `message` and `mailer` see the mail crate.
//!
//! [`state`] and [`retry`] are pure: the pipeline asks [`retry::claimable`] what may be sent now, hands
//! each message to the mailer, and turns the outcome with [`retry::after_failure`] and
//! [`retry::ServerHealth`] into the next row of the database.

#[cfg(test)]
mod fuzz;
pub mod mailer;
pub mod message;
pub mod retry;
pub mod settings;
pub mod state;
