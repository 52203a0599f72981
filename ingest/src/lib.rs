//! wellspring-ingest
