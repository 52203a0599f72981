//! wellspring-embed
