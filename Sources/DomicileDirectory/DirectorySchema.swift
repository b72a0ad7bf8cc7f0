import DomicileSQLite
import DomicileStorage

/// The tables of the directory. docs/format.md describes them for whoever reads a file by other means.
enum DirectorySchema {
  /// "DOMD".
  static let applicationID: Int64 = 0x444F_4D44
  static let version: Int64 = 5

  /// Format 1, to which ``secondFormat`` adds.
  private static let firstFormat = """
    CREATE TABLE directory (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      deployment BLOB NOT NULL,
      key_check BLOB NOT NULL,
      serial INTEGER NOT NULL,
      generation INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE policy (
      generation INTEGER PRIMARY KEY,
      digest BLOB NOT NULL,
      applied INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE policy_text (
      digest BLOB NOT NULL,
      path TEXT NOT NULL,
      text TEXT NOT NULL,
      PRIMARY KEY (digest, path)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE shard (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      region TEXT NOT NULL,
      country TEXT NOT NULL,
      created INTEGER NOT NULL,
      placements INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE collection (
      name TEXT PRIMARY KEY,
      class TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE user (
      id INTEGER PRIMARY KEY,
      owner BLOB NOT NULL UNIQUE CHECK (length(owner) = 16),
      alias BLOB NOT NULL UNIQUE CHECK (length(alias) = 16),
      tags INTEGER NOT NULL,
      profile TEXT NOT NULL
    ) STRICT;
    CREATE TABLE placement (
      user INTEGER NOT NULL REFERENCES user (id),
      class TEXT NOT NULL,
      shard INTEGER NOT NULL REFERENCES shard (id),
      serial INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('admitting', 'placed')),
      PRIMARY KEY (user, class)
    ) STRICT, WITHOUT ROWID;
    """

  /// What format 2 adds: phases of policies, erasures, tombstones and legal holds. A check of a column cannot
  /// be altered, so the table of placements is made anew.
  private static let secondFormat = """
    ALTER TABLE policy ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE user ADD COLUMN erasing INTEGER;
    ALTER TABLE user ADD COLUMN erasure_due INTEGER;
    ALTER TABLE user ADD COLUMN erasure_lease INTEGER;
    CREATE INDEX user_erasure ON user (erasure_due) WHERE erasure_due IS NOT NULL;
    CREATE INDEX user_erasure_lease ON user (erasure_lease) WHERE erasure_lease IS NOT NULL;
    ALTER TABLE placement RENAME TO placement_1;
    CREATE TABLE placement (
      user INTEGER NOT NULL REFERENCES user (id),
      class TEXT NOT NULL,
      shard INTEGER NOT NULL REFERENCES shard (id),
      serial INTEGER NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('admitting', 'placed', 'erasing')),
      PRIMARY KEY (user, class)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO placement SELECT * FROM placement_1;
    DROP TABLE placement_1;
    CREATE TABLE tombstone (
      alias BLOB PRIMARY KEY CHECK (length(alias) = 16),
      serial INTEGER NOT NULL,
      erased INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hold (
      user INTEGER NOT NULL REFERENCES user (id),
      class TEXT NOT NULL,
      name TEXT NOT NULL,
      reason TEXT NOT NULL,
      placed INTEGER NOT NULL,
      until INTEGER,
      PRIMARY KEY (user, class, name)
    ) STRICT, WITHOUT ROWID;
    """

  /// What format 3 adds: tags that change, and groups. A group is a row of `user` whose profile is that of its members.
  private static let thirdFormat = """
    ALTER TABLE user ADD COLUMN is_group INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE member (
      group_id INTEGER NOT NULL REFERENCES user (id),
      profile TEXT NOT NULL,
      user INTEGER NOT NULL REFERENCES user (id),
      author BLOB NOT NULL CHECK (length(author) = 16),
      PRIMARY KEY (group_id, profile, user)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX member_user ON member (user, group_id);
    CREATE TABLE outbox (
      user INTEGER NOT NULL REFERENCES user (id),
      class TEXT NOT NULL,
      PRIMARY KEY (user, class)
    ) STRICT, WITHOUT ROWID;
    """

  /// What format 4 adds: the ledger, and whether an admission of a placement was committed. A tombstone has no serial: a shard
  /// knew it, too, beside the name of whom it was about.
  private static let fourthFormat = """
    CREATE TABLE entry (
      id INTEGER PRIMARY KEY,
      hash BLOB NOT NULL CHECK (length(hash) = 32),
      text TEXT
    ) STRICT;
    CREATE TABLE subtree (
      height INTEGER NOT NULL,
      position INTEGER NOT NULL,
      hash BLOB NOT NULL CHECK (length(hash) = 32),
      PRIMARY KEY (height, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ledger (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      size INTEGER NOT NULL,
      frontier BLOB NOT NULL,
      minimum INTEGER NOT NULL,
      pruned INTEGER NOT NULL
    ) STRICT;
    INSERT INTO ledger VALUES (1, 0, x'', 0, 0);
    CREATE TABLE signing_key (
      entry INTEGER PRIMARY KEY,
      key TEXT NOT NULL
    ) STRICT;
    CREATE TABLE refused_write (
      hour INTEGER NOT NULL,
      cause TEXT NOT NULL,
      class TEXT NOT NULL,
      region TEXT NOT NULL,
      count INTEGER NOT NULL,
      PRIMARY KEY (hour, cause, class, region)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE untallied (
      shard INTEGER PRIMARY KEY REFERENCES shard (id),
      generation INTEGER NOT NULL
    ) STRICT;
    ALTER TABLE tombstone DROP COLUMN serial;
    ALTER TABLE hold ADD COLUMN telling INTEGER NOT NULL DEFAULT 1;
    CREATE INDEX hold_telling ON hold (user) WHERE telling <> 0;
    ALTER TABLE placement ADD COLUMN is_admitted INTEGER NOT NULL DEFAULT 0;
    UPDATE placement SET is_admitted = 1 WHERE state <> 'admitting';
    """

  /// What format 5 adds: moves; and how many homes the ledger last said are barred in a shard.
  private static let fifthFormat = """
    CREATE TABLE tally (
      shard INTEGER PRIMARY KEY REFERENCES shard (id),
      due INTEGER NOT NULL,
      counted INTEGER NOT NULL,
      barred INTEGER NOT NULL
    ) STRICT;
    INSERT INTO tally (shard, due, counted, barred) SELECT id, 1, 0, 1 FROM shard;
    DROP TABLE untallied;
    CREATE TABLE move (
      user INTEGER NOT NULL REFERENCES user (id),
      class TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('planned', 'aborting', 'flipped')),
      source INTEGER NOT NULL REFERENCES shard (id),
      source_serial INTEGER NOT NULL,
      target INTEGER NOT NULL REFERENCES shard (id),
      serial INTEGER NOT NULL,
      token INTEGER NOT NULL,
      begun INTEGER NOT NULL,
      lease INTEGER NOT NULL,
      problem TEXT,
      PRIMARY KEY (user, class)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX move_lease ON move (lease);
    """

  /// Makes the tables, in the transaction that is open.
  static func create(in connection: Connection) throws(SQLiteError) {
    try connection.execute(firstFormat)
    try connection.execute(secondFormat)
    try connection.execute(thirdFormat)
    try connection.execute(fourthFormat)
    try connection.execute(fifthFormat)
    try connection.execute("PRAGMA application_id = \(applicationID)")
    try connection.execute("PRAGMA user_version = \(version)")
  }

  /// Brings a directory of an earlier format to this one, in the transaction that is open; the format that it had, if that was one.
  static func upgrade(_ connection: Connection) throws -> Int64? {
    guard try connection.integer("PRAGMA application_id") == applicationID,
      let found = try connection.integer("PRAGMA user_version"), (1..<version).contains(found)
    else { return nil }
    if found < 2 { try connection.execute(secondFormat) }
    if found < 3 { try connection.execute(thirdFormat) }
    if found < 4 { try connection.execute(fourthFormat) }
    try connection.execute(fifthFormat)
    try connection.execute("PRAGMA user_version = \(version)")
    return found
  }
}
