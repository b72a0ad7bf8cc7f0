#if os(Linux)
  import DomicileStorage
  import DomicileTesting
  import Foundation
  import Testing

  /// A disk that takes no more, in a process of its own: the limit on the size of files holds for all of it.
  @Suite struct DiskErrorTests {
    @Test func `an error while COMMIT writes is told as it is, and the shard goes on`()
      async throws
    {
      let shard = try await TestShard()
      await #expect(processExitsWith: .success) { [path = shard.path as String] in
        signal(SIGXFSZ, SIG_IGN)
        let store = try SQLiteShard(path: path, identity: TestShard.identity)
        try await store.write(.put("before"))

        limitFiles(to: 60_000)
        let large = String(repeating: "x", count: 200_000)
        for _ in 1...3 {
          #expect(await code { try await store.write(.put("large", large)) } == .unavailable)
          #expect(try store.record("before") != nil)
        }
        // What is small enough still goes through: the file was opened again.
        try await store.write(.put("small"))

        limitFiles(to: .max)
        try await store.write(.put("large", large))
        #expect(try store.record("large")?.value.count == 200_000)
        #expect(try store.integrityFindings() == [])
        await store.close()
      }
      try await shard.with { store throws in
        #expect(
          try store.page(PageRequest(home: .ada, collection: "inbox", limit: 9)).records
            .map(\.key.text) == ["before", "large", "small"])
        #expect(try store.integrityFindings() == [])
      }
    }
  }

  /// The limit on the size of files, for all of this process.
  func limitFiles(to bytes: Int) {
    let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
    var limit = rlimit()
    unsafe getrlimit(resource, &limit)
    limit.rlim_cur = min(rlim_t(bytes), limit.rlim_max)
    let code = unsafe setrlimit(resource, &limit)
    precondition(code == 0, "the limit cannot be set")
  }
#endif
