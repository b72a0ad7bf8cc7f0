import DomicilePolicy
import DomicileStorage

extension ShardStoreConformance {
  /// The shard that is looked at, and short ways to ask it.
  struct Subject: Sendable {
    let store: any ShardStore
    let clock: ManualClock

    /// Two homes of one class, staged and opened by ``prepare()``.
    static let ada = home(1, serial: 10)
    static let ben = home(2, serial: 11)
    static let first = law(1)
    static let second = law(2)
    /// Permits messages of German residents who are no minors, and of Irish ones.
    static let wide = law(of: [row("DE", considering: ["minor"]), row("IE")])
    static let narrow = law(of: [row("IE")])

    private static func law(of rows: [ShardLaw.Row]) -> ShardLaw {
      ShardLaw(
        rows: rows, collections: ["inbox": "messages", "threads": "messages"],
        attributes: ["minor"])
    }

    static func home(_ number: UInt8, serial: Int64, tags: Int64 = 5) -> HomeReference {
      HomeReference(
        owner: known(OwnerKey(bytes: [UInt8](repeating: number, count: 16))),
        dataClass: "messages", serial: serial, tags: tags)
    }

    static func law(_ number: UInt8) -> LawReference {
      LawReference(
        generation: Int64(number),
        digest: PolicyDigest(bytes: [UInt8](repeating: number, count: 32)))
    }

    static func staging(_ home: HomeReference, _ profile: String = "DE") -> HomeStaging {
      HomeStaging(
        home: home, alias: OwnerAlias(bytes: [UInt8](repeating: 9, count: 16)),
        profile: known(HomeProfile(profile)))
    }

    private static func row(_ country: String, considering: [String] = []) -> ShardLaw.Row {
      ShardLaw.Row(
        dataClass: "messages", residence: known(CountryCode(country)), considering: considering,
        having: [])
    }

    private static func known<Value>(_ value: Value?) -> Value {
      guard let value else { preconditionFailure("a constant is wrong") }
      return value
    }

    // MARK: Asking

    var soon: ContinuousClock.Instant { .now + .seconds(300) }

    /// Stamps the first law and opens both homes.
    func prepare() async throws {
      _ = try await raise(Self.first, Self.wide)
      let homes = [Self.ada, Self.ben]
      try await equal(stage(homes.map { Self.staging($0) }), [nil, nil], "staging")
      try await equal(open(homes), [nil, nil], "opening")
    }

    func raise(_ reference: LawReference, _ law: ShardLaw) async throws -> Bool {
      try await store.raise(to: reference, law: law, accepts: ["EU"], by: soon)
    }

    func retag(_ homes: [HomeStaging]) async throws -> [StorageError.Code?] {
      try await store.retag(homes, by: soon).map { $0?.code }
    }

    func stage(
      _ homes: [HomeStaging], law: LawReference = first
    ) async throws -> [StorageError.Code?] {
      try await store.stage(homes, law: law, by: soon).map { $0?.code }
    }

    func open(_ homes: [HomeReference]) async throws -> [StorageError.Code?] {
      try await store.open(homes, by: soon).map { $0?.code }
    }

    func drop(_ homes: [HomeReference]) async throws -> [StorageError.Code?] {
      try await store.drop(homes, by: soon).map { $0?.code }
    }

    /// The state and the token of a home; nil for no row.
    func state(_ home: HomeReference) throws -> String? {
      try store.home(owner: home.owner, dataClass: home.dataClass).map {
        "\($0.state) \($0.serial)"
      }
    }

    @discardableResult
    func write(
      _ operations: RecordOperation..., to home: HomeReference = ada, law: LawReference = first
    ) async throws -> [RecordOutcome] {
      try await store.write(
        WriteRequest(home: home, law: law, operations: operations), by: soon)
    }

    func put(
      _ key: RecordKey, _ text: String = "v", in collection: String = "inbox",
      labels: [String: String] = [:], expiry: RecordExpiry = .byDefault,
      if condition: RecordCondition? = nil
    ) throws -> RecordOperation {
      try RecordOperation(
        .put(value: Array(text.utf8), labels: labels, expiry: expiry), collection: collection,
        key: key, condition: condition)
    }

    func delete(
      _ key: RecordKey, in collection: String = "inbox", if condition: RecordCondition? = nil
    ) throws -> RecordOperation {
      try RecordOperation(.delete, collection: collection, key: key, condition: condition)
    }

    func texts(
      _ keys: RecordKey..., in collection: String = "inbox", of home: HomeReference = ada
    ) throws -> [String?] {
      try store.records(home: home, collection: collection, keys: keys).map { $0?.text }
    }

    /// The keys of a page, as text.
    func keys(_ request: PageRequest) throws -> [String] {
      try store.page(request).records.map { $0.key.text ?? "?" }
    }

    // MARK: Demanding

    func equal<Value: Equatable>(_ found: Value, _ expected: Value, _ what: String) throws {
      guard found != expected else { return }
      throw Failure(description: "\(what): \(found) instead of \(expected)")
    }

    func refused(
      _ code: StorageError.Code, _ what: String, _ body: () async throws -> Void
    ) async throws {
      do {
        try await body()
      } catch let error as StorageError {
        return try equal(error.code, code, what)
      }
      throw Failure(description: "\(what): not refused, which should be \(code)")
    }
  }
}
