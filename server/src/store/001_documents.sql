-- Documents, read by name, by owner in the order of ids, and by expiry.
CREATE TABLE records (
  kind    TEXT    NOT NULL,
  id      BLOB    NOT NULL,
  version INTEGER NOT NULL,
  owner   BLOB    NOT NULL,
  expires INTEGER,
  body    BLOB    NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_owner ON records (kind, owner, id);
CREATE INDEX records_expires ON records (kind, expires) WHERE expires IS NOT NULL;

-- What waits for the audit log. AUTOINCREMENT: a sequence number is never given twice.
CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  instance INTEGER NOT NULL,
  entry    BLOB    NOT NULL
) STRICT;
