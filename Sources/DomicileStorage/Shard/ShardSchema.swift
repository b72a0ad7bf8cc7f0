import DomicileSQLite

/// The tables of a shard. docs/format.md describes them for whoever reads a file by other means.
enum ShardSchema {
  /// "DOMS", so that `file` and we know a shard when we see one.
  static let applicationID: Int64 = 0x444F_4D53
  static let version: Int64 = 4

  /// Format 1, to which ``secondFormat`` adds.
  private static let firstFormat = """
    CREATE TABLE shard (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      deployment BLOB NOT NULL,
      name TEXT NOT NULL,
      region TEXT NOT NULL,
      country TEXT NOT NULL,
      accepts TEXT NOT NULL,
      key_check BLOB NOT NULL,
      generation INTEGER NOT NULL,
      digest BLOB NOT NULL,
      settled INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE law (
      class TEXT NOT NULL,
      residence TEXT NOT NULL,
      considering TEXT NOT NULL,
      attributes TEXT NOT NULL,
      PRIMARY KEY (class, residence, considering, attributes)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE law_collection (
      collection TEXT PRIMARY KEY,
      class TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE law_attribute (
      attribute TEXT PRIMARY KEY
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE home (
      id INTEGER PRIMARY KEY,
      owner BLOB NOT NULL CHECK (length(owner) = 16),
      class TEXT NOT NULL,
      alias BLOB NOT NULL,
      serial INTEGER NOT NULL,
      state TEXT NOT NULL,
      tags INTEGER NOT NULL,
      profile TEXT NOT NULL,
      UNIQUE (owner, class)
    ) STRICT;
    CREATE TABLE record (
      home INTEGER NOT NULL REFERENCES home (id),
      collection TEXT NOT NULL,
      key BLOB NOT NULL,
      version INTEGER NOT NULL,
      written INTEGER NOT NULL,
      expires INTEGER,
      labels TEXT,
      value BLOB NOT NULL,
      PRIMARY KEY (home, collection, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE label (
      home INTEGER NOT NULL,
      collection TEXT NOT NULL,
      name TEXT NOT NULL,
      value TEXT NOT NULL,
      key BLOB NOT NULL,
      PRIMARY KEY (home, collection, name, value, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE change (
      home INTEGER NOT NULL,
      collection TEXT NOT NULL,
      key BLOB NOT NULL,
      PRIMARY KEY (home, collection, key)
    ) STRICT, WITHOUT ROWID;
    """

  /// What format 2 adds: shard time, retention, lifetimes and legal holds.
  private static let secondFormat = """
    ALTER TABLE shard ADD COLUMN high_water INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE shard ADD COLUMN anchor_time INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE shard ADD COLUMN anchor_since_start INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE shard ADD COLUMN anchor_run TEXT NOT NULL DEFAULT '';
    ALTER TABLE shard ADD COLUMN anchor_doubtful INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE home ADD COLUMN lifetimes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE home ADD COLUMN holds INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE law_retention (
      class TEXT PRIMARY KEY,
      standard INTEGER,
      longest INTEGER,
      shortest INTEGER,
      rule TEXT NOT NULL,
      fitted INTEGER,
      fitted_collection TEXT NOT NULL DEFAULT '',
      fitted_key BLOB NOT NULL DEFAULT x''
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lifetime (
      home INTEGER NOT NULL,
      collection TEXT NOT NULL,
      prefix BLOB NOT NULL,
      seconds INTEGER,
      PRIMARY KEY (home, collection, prefix)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hold (
      home INTEGER NOT NULL,
      name TEXT NOT NULL,
      until INTEGER,
      PRIMARY KEY (home, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_expiry ON record (expires) WHERE expires IS NOT NULL;
    """

  /// What format 3 adds: rows of homes that are gone go, too. What they kept back is kept back by one number for all.
  private static let thirdFormat = """
    ALTER TABLE shard ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX home_gone ON home (id) WHERE state IN ('erased', 'absent');
    CREATE TABLE author_erasure (
      author TEXT PRIMARY KEY,
      token INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """

  /// What format 4 adds: the token of whoever moves a home, and until when it is frozen. What was moved away is gone, too.
  private static let fourthFormat = """
    ALTER TABLE home ADD COLUMN token INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE home ADD COLUMN frozen_until INTEGER;
    DROP INDEX home_gone;
    CREATE INDEX home_gone ON home (id) WHERE state IN ('erased', 'absent', 'moved');
    """

  /// Whether nothing was ever made in the database: neither a shard nor anything else.
  static func isMissing(in connection: Connection) throws -> Bool {
    try connection.integer("PRAGMA application_id") == 0
      && connection.integer("PRAGMA user_version") == 0
      && connection.integer("SELECT count(*) FROM sqlite_schema") == 0
  }

  /// Makes the tables and the identity, in the transaction that is open.
  static func create(
    in connection: Connection, identity: ShardIdentity
  ) throws {
    try connection.execute(firstFormat)
    try connection.execute(secondFormat)
    try connection.execute(thirdFormat)
    try connection.execute(fourthFormat)
    try connection.run(
      """
      INSERT INTO shard (one, deployment, name, region, country, accepts, key_check, generation, digest,
        settled)
      VALUES (1, ?, ?, ?, ?, '', ?, 0, x'', 0)
      """,
      .blob(identity.deployment), .text(identity.name), .text(identity.region),
      .text(identity.country), .blob(identity.keyCheck))
    try connection.execute("PRAGMA application_id = \(applicationID)")
    try connection.execute("PRAGMA user_version = \(version)")
  }

  /// Brings a shard of an earlier format to this one, in the transaction that is open.
  static func upgrade(_ connection: Connection) throws {
    guard try connection.integer("PRAGMA application_id") == applicationID,
      let found = try connection.integer("PRAGMA user_version"), (1..<version).contains(found)
    else { return }
    if found < 2 { try connection.execute(secondFormat) }
    if found < 3 { try connection.execute(thirdFormat) }
    try connection.execute(fourthFormat)
    try connection.execute("PRAGMA user_version = \(version)")
  }

  /// Checks that the file is the shard it should be.
  static func verify(_ connection: Connection, identity: ShardIdentity) throws {
    let found: ShardIdentity?
    do {
      guard try connection.integer("PRAGMA application_id") == applicationID else {
        throw StorageError(
          .foreignFile, "The file of \(identity.place) is not a shard. Put the right file back.")
      }
      let version = try connection.integer("PRAGMA user_version") ?? 0
      guard version == Self.version else {
        throw StorageError(
          .foreignFile,
          "The file of \(identity.place) has format \(version); this version of Domicile reads"
            + " format \(Self.version).")
      }
      found = try connection.rows(
        "SELECT deployment, name, region, country, key_check FROM shard",
        as: { row in
          ShardIdentity(
            deployment: row.blob(0), name: row.text(1), region: row.text(2),
            country: row.text(3), keyCheck: row.blob(4))
        }
      ).first
    }
    guard let found, found != identity else {
      if found != nil { return }
      throw StorageError(.corrupt, "The file of \(identity.place) has no identity. Restore it.")
    }
    guard found.deployment == identity.deployment else {
      throw StorageError(
        .foreignFile,
        "The file of \(identity.place) belongs to another deployment. Put the right file back.")
    }
    guard found.keyCheck == identity.keyCheck else {
      throw StorageError(
        .wrongKey,
        "The hash key is not the one that \(identity.place) was made with. Use the right key.")
    }
    throw StorageError(
      .foreignFile,
      "The file of \(identity.place) in the region \(identity.region) (\(identity.country)) is the"
        + " shard \(found.name) of the region \(found.region) (\(found.country))."
        + " Put the right file back.")
  }
}
