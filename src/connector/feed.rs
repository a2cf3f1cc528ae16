//! Sources of changes that can be resumed.

mod horizon;
mod origin;
mod outlet;
pub mod syncrepl;

pub use self::outlet::{Gone, Outlet, Progress};
use super::{error::Problem, session::Session};
use crate::directory::checkpoint::Checkpoint;

/// An authoritative, resumable source of changes.
///
/// What every feed promises to who receives its batches:
///
/// - **Order.** A connection begins with a refresh: [`Phase::RefreshBegins`] alone, any number of
///   [`Phase::Refresh`], one [`Phase::RefreshEnds`]. From then on everything is [`Phase::Live`]. Within the
///   live phase the order is the server's; within a refresh it is arbitrary (a group may come before its
///   newly created member, a new entry before the deletion of the one whose DN it took).
/// - **Nothing is lost.** What happened after the checkpoint comes, as an image, as a deletion, or as
///   absence from a complete [`PresentSet`]; several changes of one entry may come as one.
/// - **Duplicates.** What was read but not stored comes again after a reconnection, and a refresh may repeat
///   what is known: [`Image::stamp`] tells.
/// - **The checkpoint** of a batch covers everything up to and including it. Batches within a refresh carry
///   none: a refresh that is cut short is read again from where it began.
/// - **Absence.** "These and no others exist" is said only after a valid end. A refresh that was cut short,
///   ran into a limit or met a referral ends with an error and says nothing of what does not exist.
///
/// [`Phase::RefreshBegins`]: crate::directory::batch::Phase::RefreshBegins
/// [`Phase::Refresh`]: crate::directory::batch::Phase::Refresh
/// [`Phase::RefreshEnds`]: crate::directory::batch::Phase::RefreshEnds
/// [`Phase::Live`]: crate::directory::batch::Phase::Live
/// [`PresentSet`]: crate::directory::batch::PresentSet
/// [`Image::stamp`]: crate::directory::batch::Image::stamp
pub trait Feed {
    /// Hands on what happens after `from` (`None`: everything there is) until the connection fails or nobody
    /// takes the batches any more, which is `Ok`. It may be dropped at any time.
    fn follow(
        &self,
        session: &mut Session,
        from: Option<Checkpoint>,
        outlet: &mut Outlet,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
}
