/// The tables of a shard of format 1, as the first versions of Domicile made them.
enum FirstFormat {
  static let sql = """
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
}
