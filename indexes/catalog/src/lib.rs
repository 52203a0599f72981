//! wellspring-catalog
