import Testing

@testable import DomicileStorage

/// Each job is finished by exactly one: the writer that took it, whoever gave it up, or who refused it.
@Suite struct CommitQueueTests {
  private func job() -> CommitJob<Void> {
    CommitJob(
      deadline: .soon, addsData: true, isCompound: true, perform: { _ in }, finish: { _ in })
  }

  @Test func `jobs are taken in their order`() {
    let queue = CommitQueue<Void>(jobsMax: 10)
    let jobs = (0..<5).map { _ in job() }
    for job in jobs { #expect(queue.add(job, place: "x") == nil) }
    let first = queue.take(max: 3)
    #expect(first.elementsEqual(jobs[..<3], by: ===))
    queue.putBack(first[1...])
    #expect(queue.count == 4)
    #expect(queue.take(max: 9).elementsEqual(jobs[1...], by: ===))
    #expect(queue.count == 0)
  }

  @Test func `a job that was taken cannot be given up, one that was put back can`() {
    let queue = CommitQueue<Void>(jobsMax: 10)
    let job = job()
    #expect(queue.add(job, place: "x") == nil)
    let taken = queue.take(max: 1)
    #expect(!queue.abandon(job))
    queue.putBack(taken[...])
    #expect(queue.abandon(job))
    #expect(!queue.abandon(job))
    #expect(queue.take(max: 1).isEmpty)
  }

  @Test func `a job that was refused cannot be given up as well`() {
    let full = CommitQueue<Void>(jobsMax: 0)
    let refused = job()
    #expect(full.add(refused, place: "x")?.code == .overloaded)
    #expect(!full.abandon(refused))

    let closed = CommitQueue<Void>(jobsMax: 10)
    closed.close()
    let late = job()
    #expect(closed.add(late, place: "x")?.code == .closed)
    #expect(!closed.abandon(late))
  }

  @Test func `a job that was given up before it was added is neither refused nor taken`() {
    let queue = CommitQueue<Void>(jobsMax: 10)
    let early = job()
    #expect(queue.abandon(early))
    #expect(queue.add(early, place: "x") == nil)
    #expect(queue.take(max: 9).isEmpty)

    queue.close()
    let other = job()
    #expect(queue.abandon(other))
    #expect(queue.add(other, place: "x") == nil)
  }

  @Test func `a job that was given up takes no place`() {
    let queue = CommitQueue<Void>(jobsMax: 2)
    let jobs = (0..<3).map { _ in job() }
    #expect(queue.add(jobs[0], place: "x") == nil)
    #expect(queue.add(jobs[1], place: "x") == nil)
    #expect(queue.abandon(jobs[0]))
    #expect(queue.count == 1)
    #expect(queue.add(jobs[2], place: "x") == nil)
    #expect(queue.take(max: 9).elementsEqual(jobs[1...], by: ===))
  }

  @Test func `jobs are overdue from their deadline on`() {
    let queue = CommitQueue<Void>(jobsMax: 10)
    let now = ContinuousClock.now
    let jobs = (0..<4).map { second in
      CommitJob<Void>(
        deadline: now + .seconds(second), addsData: true, isCompound: true, perform: { _ in },
        finish: { _ in })
    }
    for job in jobs { #expect(queue.add(job, place: "x") == nil) }
    #expect(queue.abandonOverdue(at: now - .seconds(1)).isEmpty)
    #expect(queue.abandonOverdue(at: now + .seconds(1)).elementsEqual(jobs[...1], by: ===))
    #expect(queue.abandonOverdue(at: now + .seconds(1)).isEmpty)
    #expect(queue.take(max: 9).elementsEqual(jobs[2...], by: ===))
  }

  @Test func `a queue that is closed and empty has no more work`() {
    let queue = CommitQueue<Void>(jobsMax: 10)
    #expect(queue.add(job(), place: "x") == nil)
    queue.close()
    #expect(queue.waitForWork())
    #expect(queue.take(max: 9).count == 1)
    #expect(!queue.waitForWork())
  }
}
