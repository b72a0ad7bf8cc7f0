import DomicileSQLite
import DomicileStorage

/// The tables of the directory. docs/format.md describes them for whoever reads a file by other means.
enum DirectorySchema {
  /// "DOMD".
  static let applicationID: Int64 = 0x444F_4D44
  static let version: Int64 = 1

  static let sql = """
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
}
