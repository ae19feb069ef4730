//! A task of its own, and how to stop it.

use std::future::Future;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::error::{Context, Kind, Result};
use crate::shutdown::Shutdown;

pub(super) struct Part {
    name: &'static str,
    shutdown: Shutdown,
    task: JoinHandle<Result<()>>,
}

impl Part {
    pub fn spawn<F>(runtime: &Runtime, name: &'static str, part: impl FnOnce(Shutdown) -> F) -> Part
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let shutdown = Shutdown::new();
        let task = runtime.spawn(part(shutdown.clone()));
        Part { name, shutdown, task }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// It has ended, asked or not.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for its end; its own error is the result.
    pub fn stop(self, runtime: &Runtime) -> Result<()> {
        self.shutdown.request();
        let name = self.name;
        runtime
            .block_on(self.task)
            .context(Kind::Internal, || format!("[{name}] ended with an internal error; please report it"))?
    }
}
