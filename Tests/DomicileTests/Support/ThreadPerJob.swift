import Foundation

/// Runs each piece of a task's work on a thread of its own.
///
/// For tasks that run exit tests at once: each blocks a thread until its process ends, and the pool has only as many
/// as the machine has cores.
final class ThreadPerJob: TaskExecutor {
  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    Thread.detachNewThread { [self] in
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
}
