//! wellspring-generate
