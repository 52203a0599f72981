//! wellspring-retrieve
