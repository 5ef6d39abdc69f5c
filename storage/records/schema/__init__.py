"""The tables, one file a subject, all on one ``MetaData``; what migrations make is compared with it by a test."""
