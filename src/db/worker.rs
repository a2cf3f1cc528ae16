//! The thread that owns the connection.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{DbError, FileHealth, error::During, open};

/// Ingest goes first: a mail can wait, a directory server that is not read costs it memory. But a server that sends
/// without end must not keep all stores from telling what they know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    Ingest,
    Rest,
}

/// Calls of ingest in a row while others wait.
const MOST_IN_A_ROW: u32 = 16;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

#[derive(Default)]
struct Queues {
    ingest: VecDeque<Job>,
    rest: VecDeque<Job>,
    in_a_row: u32,
    closed: bool,
}

impl Queues {
    fn pop(&mut self) -> Option<Job> {
        if (self.rest.is_empty() || self.in_a_row < MOST_IN_A_ROW)
            && let Some(job) = self.ingest.pop_front()
        {
            self.in_a_row = self.in_a_row.saturating_add(1);
            return Some(job);
        }
        self.in_a_row = 0;
        self.rest.pop_front().or_else(|| self.ingest.pop_front())
    }
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    filled: Condvar,
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, Queues> {
        // A job that panics poisons nothing: it runs outside the lock.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut queues = self.queues();
        loop {
            if let Some(job) = queues.pop() {
                return Some(job);
            }
            if queues.closed {
                return None;
            }
            queues = self.filled.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Sends work to the thread. Callers await their answer before they send more, so the queues stay short.
#[derive(Clone)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    health: Arc<watch::Sender<FileHealth>>,
    _closer: Arc<Closer>,
}

/// Ends the thread when the last [`Worker`] is gone.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.queues().closed = true;
        self.0.filled.notify_one();
    }
}

impl Worker {
    pub(super) fn start(mut connection: Connection) -> Self {
        let shared = Arc::new(Shared::default());
        let thread_side = Arc::clone(&shared);
        thread::Builder::new()
            .name("database".into())
            .spawn(move || {
                while let Some(job) = thread_side.next() {
                    job(&mut connection);
                }
            })
            .expect("a thread can be started at start-up");
        let health = Arc::new(watch::Sender::new(FileHealth::Sound));
        Self { _closer: Arc::new(Closer(Arc::clone(&shared))), health, shared }
    }

    pub(super) fn health(&self) -> watch::Receiver<FileHealth> {
        self.health.subscribe()
    }

    /// What kept the file from being written is over.
    pub(super) fn mended(&self) {
        self.health.send_if_modified(|health| match health {
            FileHealth::Failing { .. } => {
                *health = FileHealth::Sound;
                true
            }
            FileHealth::Sound | FileHealth::Damaged { .. } => false,
        });
    }

    /// Closes the file after what was asked for before, so that its log is put into it and taken away. Whatever is
    /// asked for later fails.
    pub(super) async fn close(self) -> Result<(), DbError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let closed = Connection::open_in_memory()
                .and_then(|none| std::mem::replace(connection, none).close().map_err(|(_, source)| source));
            drop(answer.send(closed.during("close")));
        });
        {
            let mut queues = self.shared.queues();
            queues.rest.push_back(job);
            queues.closed = true;
        }
        self.shared.filled.notify_one();
        answered.await.map_err(|_| DbError::Closed)?
    }

    /// Runs `work` on the thread and waits for its answer.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        priority: Priority,
        work: impl FnOnce(&mut Connection) -> Result<R, DbError> + Send + 'static,
    ) -> Result<R, DbError> {
        let (answer, answered) = oneshot::channel();
        let health = Arc::clone(&self.health);
        let job: Job = Box::new(move |connection| {
            if let FileHealth::Damaged { error } = &*health.borrow() {
                drop(answer.send(Err(refusal(connection, error))));
                return;
            }
            // A transaction that a panic leaves open is rolled back on its way out, so the connection is whole.
            // The caller hears that its work is lost; everybody else goes on.
            match panic::catch_unwind(AssertUnwindSafe(|| work(connection))) {
                // Whoever asked may be gone by now; the work is done all the same.
                Ok(done) => {
                    if let Err(error) = &done {
                        note(&health, error);
                    }
                    drop(answer.send(done));
                }
                Err(_) => drop(open::wait_for_the_disk(connection)),
            }
        });
        {
            let mut queues = self.shared.queues();
            if queues.closed {
                return Err(DbError::Closed);
            }
            match priority {
                Priority::Ingest => queues.ingest.push_back(job),
                Priority::Rest => queues.rest.push_back(job),
            }
        }
        self.shared.filled.notify_one();
        answered.await.map_err(|_| DbError::Closed)?
    }
}

fn note(health: &watch::Sender<FileHealth>, error: &DbError) {
    health.send_if_modified(|now| match now.after(error) {
        Some(after) => {
            *now = after;
            true
        }
        None => false,
    });
}

/// Whoever writes on into a damaged file makes it worse, and may move a checkpoint over what is lost.
fn refusal(connection: &Connection, error: &str) -> DbError {
    DbError::Damaged { path: connection.path().unwrap_or_default().into(), found: error.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ingest_without_end_goes_first_and_keeps_nobody_from_a_turn() {
        let (mut queues, done) = (Queues::default(), Arc::new(Mutex::new(String::new())));
        let job = |word: char| -> Job {
            let done = Arc::clone(&done);
            Box::new(move |_| done.lock().unwrap().push(word))
        };
        queues.rest.extend([job('r'), job('r')]);
        let mut connection = Connection::open_in_memory().unwrap();
        for _ in 0..40 {
            // Another one is there before the last is done.
            queues.ingest.push_back(job('i'));
            queues.pop().unwrap()(&mut connection);
        }
        let turn = format!("{}r", "i".repeat(16));
        assert_eq!(*done.lock().unwrap(), format!("{turn}{turn}iiiiii"));
    }

    #[tokio::test]
    async fn work_that_panics_is_answered_and_stops_nobody_else() {
        let worker = Worker::start(Connection::open_in_memory().unwrap());
        let broken = worker
            .call(Priority::Ingest, |connection| -> Result<(), DbError> {
                let transaction = connection.transaction().unwrap();
                transaction.execute_batch("CREATE TABLE half (done)").unwrap();
                panic!("on purpose")
            })
            .await;
        assert!(matches!(broken, Err(DbError::Closed)));
        let tables = worker
            .call(Priority::Rest, |connection| {
                Ok(connection
                    .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
                    .unwrap())
            })
            .await;
        assert_eq!(tables.unwrap(), 0, "what it had begun is rolled back");
    }
}
