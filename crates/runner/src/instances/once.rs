//! An instance for one job: started for it, and stopped after it. So a training has a process of its own.

use std::sync::Arc;

use super::boot::Boot;
use super::instance::Launcher;
use super::life::sentence;
use crate::Job;
use crate::event::End;
use crate::reporter::{Reporter, Stopped};

/// Starts an instance, runs the job, and stops the instance however the job ended. What a failed setup said is in
/// the job's logs.
pub(crate) async fn run(launcher: &dyn Launcher, job: &Job, reporter: &Reporter) -> Result<End, Stopped> {
    let boot = Arc::new(Boot::default());
    let launched = tokio::select! {
        biased;
        stopped = reporter.stopped() => return Err(stopped),
        launched = launcher.launch(&boot) => launched,
    };
    match launched {
        Ok(instance) => {
            let result = instance.run(job, reporter).await;
            instance.stop().await;
            result
        }
        Err(error) => {
            reporter.log(boot.logs()).await?;
            Ok(End::Failed(sentence(&error)))
        }
    }
}
