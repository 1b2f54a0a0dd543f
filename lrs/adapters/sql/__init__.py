"""The store in SQL that SQLite and PostgreSQL both speak; what differs between them is in ``Database``.

The rules of the common ground, which a test holds every statement to:

- Parameters are question marks. Values are integers, text and bytes; a UUID is its 16 bytes, a time is
  microseconds since 1970 in UTC.
- Rows are inserted by plain ``INSERT ... VALUES``; bookkeeping rows may say ``ON CONFLICT``.
- No function that only one of the two knows, no INSERT ... SELECT, no trigger, no sequence, no LOCK TABLE, no
  NOTIFY, no advisory lock: they are wrong or slow where a tenant is a shard (schema-based sharding of Citus).
"""
