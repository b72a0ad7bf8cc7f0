import Domicile
import DomicileTesting
import MetricsTestKit
import Testing

/// What the router counts, by the names and labels that `RouterMetrics` documents.
@Suite struct MetricsTests {
  /// Every counter that has counted, as `label{dimension=value,…} total`.
  private func totals(_ metrics: TestMetrics) -> Set<String> {
    Set(
      metrics.counters.filter { $0.totalValue > 0 }.map { counter in
        let dimensions = counter.dimensions.map { "\($0.0)=\($0.1)" }.joined(separator: ",")
        return "\(counter.label){\(dimensions)} \(counter.totalValue)"
      })
  }

  @Test func `records, admissions and errors are counted by region, class and code`() async throws {
    let deployment = try await TemporaryDeployment()
    let metrics = TestMetrics()
    try await deployment.withRouter {
      $0.metrics = metrics
    } _: { router in
      try await router.admit(UserID("ada"), residence: "DE")
      try await router.admit(UserID("asha"), residence: "IN", dataClasses: ["messages"])
      try await router.admit(UserID("ada"), residence: "DE")
      await #expect(throws: RouterError.self) {
        try await router.admit(UserID("kim"), residence: "KP")
      }
      await #expect(throws: RouterError.self) {
        try await router.admit(UserID("ravi"), residence: "IN", region: "dublin")
      }
      let ada = try await router.user(UserID("ada"))
      let asha = try await router.user(UserID("asha"))
      var batch = RecordBatch()
      for key in ["a", "b", "c"] { batch.put([1], key: RecordKey(key), in: .inbox) }
      try await ada.write(batch)
      try await ada.delete("a", in: .inbox)
      try await ada.put([1], key: "a", in: .receipts)
      try await asha.put([1], key: "a", in: .inbox)
      _ = try await ada.get(["a", "b"], in: .inbox)
      _ = try await ada.page(.inbox)
      _ = try await asha.get("a", in: .inbox)
      await #expect(throws: RouterError.self) { try await asha.put([1], key: "a", in: .receipts) }
      await #expect(throws: RouterError.self) {
        try await ada.put([1], key: "b", in: .inbox, if: .absent)
      }
      await #expect(throws: RouterError.self) {
        try await ada.put([1], key: "b", in: RecordCollection("none"))
      }
      await #expect(throws: RouterError.self) { try await asha.place("payments", in: "dublin") }
    }
    #expect(
      totals(metrics) == [
        "domicile.admissions{region=dublin,class=messages} 1",
        "domicile.admissions{region=dublin,class=payments} 1",
        "domicile.admissions{region=mumbai,class=messages} 1",
        "domicile.errors{region=,code=unplaceable} 1",
        "domicile.errors{region=dublin,code=refused} 2",
        "domicile.errors{region=,code=notFound} 1",
        "domicile.errors{region=dublin,code=versionMismatch} 1",
        "domicile.errors{region=,code=unknownName} 1",
        "domicile.records.written{region=dublin,class=messages} 4",
        "domicile.records.written{region=dublin,class=payments} 1",
        "domicile.records.written{region=mumbai,class=messages} 1",
        "domicile.records.read{region=dublin,class=messages} 4",
        "domicile.records.read{region=mumbai,class=messages} 1",
      ])
  }

  @Test func `a write that heals its route is counted once and is no error`() async throws {
    let deployment = try await TemporaryDeployment()
    let metrics = TestMetrics()
    try await deployment.withUser {
      $0.metrics = metrics
    } _: { _, ada in
      try await OpenFiles.with(deployment) { files in
        try await files.raiseAll(to: files.apply(.americansInIreland))
      }
      try await ada.put([1], key: "a", in: .inbox)
    }
    let counted = totals(metrics)
    #expect(counted.contains("domicile.records.written{region=dublin,class=messages} 1"))
    #expect(!counted.contains { $0.hasPrefix("domicile.errors") })
  }

  @Test func `commits are timed and sized by region and shard`() async throws {
    let deployment = try await TemporaryDeployment()
    let metrics = TestMetrics()
    try await deployment.withUser {
      $0.metrics = metrics
    } _: { _, ada in
      try await ada.put([1], key: "a", in: .inbox)
    }
    let dimensions = [("region", "dublin"), ("shard", "dublin-1")]
    let timer = try metrics.expectTimer("domicile.commit.duration", dimensions)
    let recorder = try metrics.expectRecorder("domicile.commit.writes", dimensions)
    #expect(timer.values.count == recorder.values.count)
    #expect(recorder.values.reduce(0, +) >= 3)
    #expect(timer.values.allSatisfy { $0 > 0 })
  }
}
