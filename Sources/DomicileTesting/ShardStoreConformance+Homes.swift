import DomicilePolicy
import DomicileStorage

extension ShardStoreConformance {
  private typealias It = Subject

  static let lawChecks: [Check] = [
    Check("a shard that was never stamped permits nothing") { shard in
      let unstamped = try shard.store.stampedLaw().0
      try await shard.equal(
        shard.stage([It.staging(It.ada)], law: unstamped), [.barred], "staging")
      try await shard.equal(
        shard.stage([It.staging(It.ada)]), [.policyChanged], "staging under a law to come")
    },
    Check("a law is raised and never lowered") { shard in
      try await shard.equal(shard.raise(It.second, It.wide), true, "raising")
      try shard.equal(shard.store.stampedLaw().0, It.second, "the stamp")
      try shard.equal(shard.store.stampedLaw().1, It.wide, "the law")
      try await shard.equal(shard.raise(It.first, It.narrow), false, "lowering")
      let other = LawReference(generation: 2, digest: It.first.digest)
      try await shard.equal(shard.raise(other, It.narrow), false, "another of the same generation")
      try await shard.equal(shard.raise(It.second, It.wide), true, "the same again")
      try shard.equal(shard.store.stampedLaw().1, It.wide, "the law afterwards")
      try await shard.equal(shard.raise(It.law(3), It.narrow), true, "raising again")
      try shard.equal(shard.store.stampedLaw().1, It.narrow, "the law after that")
    },
    Check("nothing is staged under another law, nor against the law") { shard in
      try await shard.prepare()
      let home = It.home(3, serial: 20)
      try await shard.equal(
        shard.stage([It.staging(home)], law: It.second), [.policyChanged], "a later law")
      try await shard.equal(
        shard.stage([It.staging(home, "US"), It.staging(home, "DE minor")]), [.barred, .barred],
        "profiles that are not permitted")
      try shard.equal(shard.state(home), nil, "the row")
    },
    Check("each write is held to the law of its moment") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a"))
      _ = try await shard.raise(It.second, It.narrow)
      try await shard.refused(.policyChanged, "the old law") {
        try await shard.write(shard.put("b"))
      }
      try await shard.refused(.barred, "the new law") {
        try await shard.write(shard.put("b"), law: It.second)
      }
      try await shard.refused(.barred, "a batch that also deletes") {
        try await shard.write(shard.delete("a"), shard.put("b"), law: It.second)
      }
      try shard.equal(shard.texts("a", "b"), ["v", nil], "reading where it is barred")
      try await shard.write(shard.delete("a"), law: It.second)
      try shard.equal(shard.texts("a"), [nil], "after deleting where it is barred")
    },
  ]

  static let homeChecks: [Check] = [
    Check("a home is staged, opened and used") { shard in
      _ = try await shard.raise(It.first, It.wide)
      try await shard.equal(shard.stage([It.staging(It.ada)]), [nil], "staging")
      try shard.equal(shard.state(It.ada), "incoming 10", "staged")
      try await shard.refused(.notOpen, "writing too early") {
        try await shard.write(shard.put("a"))
      }
      try await shard.refused(.notOpen, "reading too early") { _ = try shard.texts("a") }
      try await shard.equal(shard.open([It.ada]), [nil], "opening")
      try shard.equal(shard.state(It.ada), "active 10", "opened")
      try await shard.write(shard.put("a"))
    },
    Check("staging and opening can be repeated") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a"))
      try await shard.equal(shard.stage([It.staging(It.ada)]), [nil], "staging")
      try await shard.equal(shard.open([It.ada]), [nil], "opening")
      try shard.equal(shard.state(It.ada), "active 10", "the home")
      try shard.equal(shard.texts("a"), ["v"], "its records")
    },
    Check("the higher token has the home") { shard in
      _ = try await shard.raise(It.first, It.wide)
      let (low, middle, high) = (
        It.home(1, serial: 10), It.home(1, serial: 11), It.home(1, serial: 12)
      )
      try await shard.equal(shard.stage([It.staging(middle)]), [nil], "the first")
      try await shard.equal(shard.stage([It.staging(low)]), [.outrun], "a lower one")
      try await shard.equal(shard.open([low]), [.moved], "opening by a lower one")
      try await shard.equal(shard.drop([low]), [.outrun], "dropping by a lower one")
      try await shard.equal(shard.stage([It.staging(high, "IE")]), [nil], "a higher one")
      try await shard.equal(shard.open([middle]), [.moved], "opening by the one before")
      try await shard.equal(shard.open([high]), [nil], "opening")
      try await shard.equal(
        shard.stage([It.staging(It.home(1, serial: 13))]), [.outrun], "over an open home")
      try await shard.equal(shard.drop([It.home(1, serial: 13)]), [.outrun], "dropping it")
      let row = try shard.store.home(owner: high.owner, dataClass: "messages")
      try shard.equal(row?.profile, HomeProfile("IE"), "the profile")
    },
    Check("a dropped home leaves its token, even where there was none") { shard in
      _ = try await shard.raise(It.first, It.wide)
      try await shard.equal(shard.stage([It.staging(It.ada)]), [nil], "staging")
      try await shard.equal(
        shard.drop([It.home(1, serial: 12), It.home(2, serial: 12)]), [nil, nil], "dropping")
      for number: UInt8 in [1, 2] {
        let (low, equal) = (It.home(number, serial: 11), It.home(number, serial: 12))
        try shard.equal(shard.state(equal), "absent 12", "the row")
        try await shard.equal(shard.open([equal]), [.moved], "opening what is absent")
        try await shard.refused(.moved, "reading what is absent") {
          _ = try shard.texts("a", of: equal)
        }
        try await shard.equal(shard.stage([It.staging(low)]), [.outrun], "a lower token")
        try await shard.equal(shard.drop([low]), [.outrun], "dropping by a lower token")
        try await shard.equal(shard.stage([It.staging(equal)]), [nil], "the same token")
      }
    },
    Check("each home of a call has its own answer, in their order") { shard in
      try await shard.prepare()
      let (one, two) = (It.home(3, serial: 20), It.home(4, serial: 20))
      try await shard.equal(
        shard.stage([It.staging(one), It.staging(one, "US"), It.staging(two)]),
        [nil, .barred, nil], "staging")
      try await shard.equal(
        shard.open([It.home(9, serial: 1), one, two]), [.moved, nil, nil], "opening")
      try await shard.equal(
        shard.drop([one, It.home(9, serial: 1)]), [.outrun, nil], "dropping")
    },
    Check("a write is refused where its belief is wrong") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a"))
      let other = LawReference(generation: 1, digest: It.second.digest)
      let beliefs: [(String, HomeReference, LawReference, StorageError.Code)] = [
        ("no home", It.home(9, serial: 10), It.first, .moved),
        ("a lower serial", It.home(1, serial: 9), It.first, .moved),
        ("a higher serial", It.home(1, serial: 11), It.first, .moved),
        ("older tags", It.home(1, serial: 10, tags: 4), It.first, .retagged),
        ("newer tags", It.home(1, serial: 10, tags: 6), It.first, .retagged),
        ("another generation", It.ada, It.second, .policyChanged),
        ("another digest", It.ada, other, .policyChanged),
      ]
      for (what, home, law, code) in beliefs {
        for operations in [
          [try shard.put("b")], [try shard.delete("a")],
          [try shard.delete("a"), try shard.put("b")],
        ] {
          try await shard.refused(code, what) {
            _ = try await shard.store.write(
              WriteRequest(home: home, law: law, operations: operations), by: shard.soon)
          }
        }
      }
      try shard.equal(shard.texts("a", "b"), ["v", nil], "the records")
      try await shard.refused(.moved, "reading under another serial") {
        _ = try shard.texts("a", of: It.home(1, serial: 11))
      }
    },
    Check("later tags are stamped over earlier ones, and never back") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("a"))
      let (later, other) = (
        It.home(1, serial: 10, tags: 7), It.home(1, serial: 11, tags: 8)
      )
      try await shard.equal(
        shard.retag([It.staging(later, "IE"), It.staging(other), It.staging(It.ada)]),
        [nil, .moved, nil], "stamping")
      let row = try shard.store.home(owner: later.owner, dataClass: "messages")
      try shard.equal(row?.profile, HomeProfile("IE"), "the profile")
      try shard.equal(row?.tags, 7, "the tags")
      try await shard.refused(.retagged, "writing under earlier tags") {
        try await shard.write(shard.put("b"))
      }
      try await shard.refused(.retagged, "reading under earlier tags") {
        _ = try shard.texts("a")
      }
      try shard.equal(shard.texts("a", of: later), ["v"], "reading")
    },
    Check("what an author wrote goes, and nothing else") { shard in
      try await shard.prepare()
      let author = OwnerAlias(bytes: [UInt8](repeating: 8, count: 16))
      _ = try await shard.store.write(
        WriteRequest(
          home: It.ada, law: It.first, operations: [try shard.put("a")], author: author),
        by: shard.soon)
      try await shard.write(shard.put("b"))
      let hold = HomeHold(name: "case", until: nil)
      for (someone, holds, count) in [
        (nil, [], [2, 0]), (author, [], [1, 0]), (author, [hold], [1, 1]),
      ] as [(OwnerAlias?, [HomeHold], [Int64])] {
        let contents = try shard.store.contents(
          of: It.ada.owner, dataClass: "messages", author: someone, holds: holds)
        try shard.equal([contents.records, contents.held?.records ?? 0], count, "what is there")
      }
      let erased = await shard.store.erase(
        AuthoredErasure(
          group: It.ada.owner, dataClass: "messages", serial: It.ada.serial, author: author,
          token: 100),
        by: shard.soon)
      try shard.equal(erased.records, 1, "what was erased")
      try shard.equal(erased.error == nil, true, "whether that was all")
      try shard.equal(shard.texts("a", "b"), [nil, "v"], "what is left")
    },
    Check("homes and what they hold are counted and listed") { shard in
      try await shard.prepare()
      try await shard.write(shard.put("abc", "12345"), shard.put("d", "", in: "threads"))
      try await shard.write(shard.put("e", "1", expiry: .after(.seconds(1))), to: It.ben)
      try shard.equal(
        shard.store.tallies().map { [$0.homes, $0.records, $0.bytes] }, [[2, 3, 11]], "tallies")
      shard.clock.advance(by: .seconds(1))
      try shard.equal(
        shard.store.tallies().map { [$0.homes, $0.records, $0.bytes] }, [[2, 2, 9]], "later")
      let rows = try shard.store.homes(after: 0, limit: 1)
      try shard.equal(rows.map(\.owner), [It.ada.owner], "the first home")
      try shard.equal(
        shard.store.homes(after: rows[0].id, limit: 9).map(\.owner), [It.ben.owner], "the second")
    },
  ]
}
